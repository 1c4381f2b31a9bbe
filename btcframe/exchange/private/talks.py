"""What is said on the sockets that need a key: the private streams, and orders over a socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from btcframe.exchange.listing import CATEGORIES
from btcframe.exchange.messages import encode
from btcframe.exchange.private import wire
from btcframe.exchange.private.account import Account
from btcframe.exchange.private.codes import BAD_PARAMETER, SIGN, TOO_OFTEN
from btcframe.exchange.private.orders import Refusal
from btcframe.exchange.private.service import Service
from btcframe.exchange.private.signing import listener, timely

TOPICS = ("order", "execution", "position", "wallet")
"""The private streams; all but wallet of one category, too: order.linear."""

_REPEATED_AUTH, _REPEATED_REQUEST, _NO_OP = 20001, 20006, 10404
_OPS = {f"order.{name}": f"/v5/order/{name}" for name in ("create", "amend", "cancel")}
_OPS |= {f"{op}-batch": f"{path}-batch" for op, path in _OPS.items()}


class Connection(Protocol):
    """A client's connection, as far as is needed here."""

    conn_id: str
    topics: set[str]

    def say(self, data: bytes, ns: int, *, ack: bool = False) -> None:
        """Answer the client."""

    def cut(self) -> None:
        """End it without a word."""


class StreamTalk:
    """One connection to /v5/private.

    Parameters
    ----------
    service : Service
    clock : callable    the exchange's clock, ms
    """

    def __init__(self, service: Service, clock: Callable[[], int]) -> None:
        self.account: Account | None = None
        self._service, self._clock = service, clock

    def heard(self, session: Connection, request: dict[str, Any], ns: int) -> None:
        """Answer a request."""
        op = str(request.get("op", ""))
        if op == "ping":
            self._say(session, request, ns, {"op": "pong", "args": [str(self._clock())]})
        elif op == "auth":
            self._auth(session, request, ns)
        elif op in ("subscribe", "unsubscribe"):
            said = self._refusal(op, request.get("args"))
            if not said:
                change = session.topics.update if op == "subscribe" else session.topics.difference_update
                change(request["args"])
            self._answer(session, request, ns, op, said)
        else:
            self._answer(session, request, ns, op, "error:invalid op")

    def unreadable(self, session: Connection, said: str, ns: int) -> None:
        """Answer what is no request."""
        self._answer(session, {}, ns, "", said)

    def _auth(self, session: Connection, request: dict[str, Any], ns: int) -> None:
        try:
            self._service.admit()
            self.account = listener(self._service.accounts, request.get("args"), self._clock())
        except Refusal as refused:
            self._answer(session, request, ns, "auth", refused.said)
            return
        self._answer(session, request, ns, "auth", "")

    def _refusal(self, op: str, args: Any) -> str:
        """Why a subscription fails; "" where it does not."""
        if self.account is None:
            return "Request not authorized"
        if not isinstance(args, list) or not args or not all(isinstance(arg, str) for arg in args):
            return "error:invalid args"
        unknown = [arg for arg in args if not _known(arg)]
        if unknown:
            return f"error:handler not found,topic:{','.join(unknown)}"
        if op == "subscribe" and len({"." in arg for arg in args if arg != "wallet"}) > 1:
            return "error:all-in-one and categorised topics cannot be in one request"
        return ""

    def _answer(self, session: Connection, request: dict[str, Any], ns: int, op: str, said: str) -> None:
        self._say(session, request, ns, {"success": not said, "ret_msg": said, "op": op})

    def _say(self, session: Connection, request: dict[str, Any], ns: int, reply: dict[str, Any]) -> None:
        named = {} if request.get("req_id") is None else {"req_id": str(request["req_id"])}
        data = encode({**named, **reply, "conn_id": session.conn_id})
        session.say(data, ns, ack=reply["op"] in ("subscribe", "unsubscribe"))


class TradeTalk:
    """One connection to /v5/trade.

    Parameters
    ----------
    service : Service
    clock : callable    the exchange's clock, ms
    """

    def __init__(self, service: Service, clock: Callable[[], int]) -> None:
        self.account: Account | None = None
        self._service, self._clock = service, clock
        self._asked: set[str] = set()

    def heard(self, session: Connection, request: dict[str, Any], ns: int) -> None:
        """Answer a request."""
        op = str(request.get("op", ""))
        try:
            if op == "ping":
                self._say(session, request, ns, "pong", data=[str(self._clock())])
            elif op == "auth":
                self._auth(request)
                self._say(session, request, ns, "auth")
            else:
                self._order(session, request, ns, op)
        except Refusal as refused:
            self._say(session, request, ns, op, code=refused.code, said=refused.said, data={})

    def unreadable(self, session: Connection, said: str, ns: int) -> None:
        """Answer what is no request."""
        self._say(session, {}, ns, "", code=BAD_PARAMETER, said=said)

    def _auth(self, request: dict[str, Any]) -> None:
        if self.account is not None:
            raise Refusal(_REPEATED_AUTH, "Repeat auth")
        self._service.admit()
        self.account = listener(self._service.accounts, request.get("args"), self._clock())

    def _order(self, session: Connection, request: dict[str, Any], ns: int, op: str) -> None:
        if self.account is None:
            raise Refusal(SIGN, "Request not authorized")
        if op not in _OPS:
            raise Refusal(_NO_OP, "op type is not found")
        name = str(request.get("reqId") or "")
        if name and name in self._asked:
            raise Refusal(_REPEATED_REQUEST, "reqId is duplicated")
        self._asked.add(name)
        head, args = request.get("header") or {}, request.get("args")
        if not isinstance(head, dict) or not isinstance(args, list) or len(args) != 1:
            raise Refusal(BAD_PARAMETER, "args: one object is wanted, and a header")
        asked = args[0] if isinstance(args[0], dict) else {}
        timely(str(head.get("X-BAPI-TIMESTAMP", "")), str(head.get("X-BAPI-RECV-WINDOW", "")), self._clock())
        left = self._service.counted(self.account, _OPS[op], asked)
        headers = left.headers() if left is not None else {}
        try:
            if left is not None and not left.allowed:
                raise Refusal(TOO_OFTEN, "Too many visits. Exceeded the API Rate Limit.")
            done = self._service.carried_out(self.account, _OPS[op], asked)
        except Refusal as refused:
            self._say(session, request, ns, op, code=refused.code, said=refused.said, data={}, head=headers)
            return
        if done.cut:
            session.cut()
            return
        extra = {} if done.extra is None else {"retExtInfo": done.extra}
        self._say(session, request, ns, op, data=done.result, head=headers, **extra)

    def _say(
        self,
        session: Connection,
        request: dict[str, Any],
        ns: int,
        op: str,
        *,
        code: int = 0,
        said: str = "OK",
        data: Any = None,
        head: Any = None,
        **extra: Any,
    ) -> None:
        reply: dict[str, Any] = {} if request.get("reqId") is None else {"reqId": str(request["reqId"])}
        reply |= {"retCode": code, "retMsg": said, "op": op, **extra}
        if data is not None:
            reply["data"] = data
        if head is not None:
            reply["header"] = {**head, "Traceid": "", "Timenow": str(self._clock())}
        session.say(encode({**reply, "connId": session.conn_id}), ns)


def _known(topic: str) -> bool:
    name, dot, category = topic.partition(".")
    return topic in TOPICS or (dot != "" and name in TOPICS[:3] and category in CATEGORIES)


def message(service: Service, account: Account, topic: str, news: list[Any], ms: int, ident: str) -> bytes:
    """What a private stream says.

    Parameters
    ----------
    service : Service
    account : Account
    topic : str         order, execution, position, wallet, or of a category
    news : list         orders, executions or listings, of that category
    ms : int            the exchange's clock
    ident : str         of the message
    """
    name = topic.partition(".")[0]
    match name:
        case "order":
            data = [wire.order(one) for one in news]
        case "execution":
            data = [wire.execution(one) for one in news]
        case "position":
            data = [
                wire.position(account.position(one), service.engine.mark(one), streamed=True) for one in news
            ]
        case _:
            data = [wire.wallet(account, {coin: service.engine.worth(coin) for coin in account.coins()})]
    return encode({"id": ident, "topic": topic, "creationTime": ms, "data": data})
