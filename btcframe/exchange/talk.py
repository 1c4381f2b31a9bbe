"""What is said on a public socket: subscriptions, limits, pings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from btcframe.exchange import messages

if TYPE_CHECKING:
    from btcframe.exchange.core import Exchange
    from btcframe.exchange.session import Session

MOST_CHARACTERS = 21_000
"""Of the args of a connection's subscriptions."""

MOST_SPOT_ARGS = 10
"""Of one request to subscribe, on spot."""


class PublicTalk:
    """The public protocol.

    Parameters
    ----------
    exchange : Exchange
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def heard(self, session: Session, request: dict[str, Any], ns: int) -> None:
        """Answer a request."""
        op = str(request.get("op", ""))
        req_id = None if request.get("req_id") is None else str(request["req_id"])
        if op == "ping":
            self._answer(session, "ping", ns, said="pong", req_id=req_id)
        elif op in ("subscribe", "unsubscribe"):
            self._ask(session, op, request.get("args"), req_id, ns)
        elif op == "auth":
            self._answer(
                session, "auth", ns, success=False, said="error:this is a public socket", req_id=req_id
            )
        else:
            self._answer(session, op, ns, success=False, said="error:invalid op", req_id=req_id)

    def unreadable(self, session: Session, said: str, ns: int) -> None:
        """Answer what is no request."""
        self._answer(session, "", ns, success=False, said=said)

    def _ask(self, session: Session, op: str, args: Any, req_id: str | None, ns: int) -> None:
        if not isinstance(args, list) or not args or not all(isinstance(arg, str) for arg in args):
            self._answer(session, op, ns, success=False, said="error:invalid args", req_id=req_id)
            return
        if op == "unsubscribe":
            for topic in args:
                session.topics.discard(topic)
            self._answer(session, op, ns, req_id=req_id)
            return
        if said := self._refusal(session, args):
            self._exchange.note("refused", conn=session.conn_id, said=said)
            self._answer(session, op, ns, success=False, said=said, req_id=req_id)
            return
        session.topics.update(args)
        self._answer(session, op, ns, req_id=req_id)
        self._exchange.note("subscribed", conn=session.conn_id, topics=args)
        for topic in args:
            self._exchange.welcome(session, topic)

    def _refusal(self, session: Session, args: list[str]) -> str:
        """Why a subscription fails; "" where it does not."""
        if self._exchange.refuses():
            return "error:request failed"
        if session.category == "spot" and len(args) > MOST_SPOT_ARGS:
            return "args size >10"
        if sum(map(len, {*session.topics, *args})) > MOST_CHARACTERS:
            return f"error:args length exceeds {MOST_CHARACTERS}"
        unknown = [topic for topic in args if not self._exchange.has(session.category, topic)]
        return f"Invalid topic: {', '.join(unknown)}" if unknown else ""

    def _answer(
        self,
        session: Session,
        op: str,
        ns: int,
        *,
        success: bool = True,
        said: str = "",
        req_id: str | None = None,
    ) -> None:
        data = messages.ack(session.category, session.conn_id, op, success=success, said=said, req_id=req_id)
        session.say(data, ns, ack=op in ("subscribe", "unsubscribe"))
