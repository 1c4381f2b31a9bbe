"""Requests to the private side, from REST or the socket of orders: who asks, whether it may, what it comes to."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from btcframe.exchange.market import Market
from btcframe.exchange.private import routes, wire
from btcframe.exchange.private.account import Account, Holder
from btcframe.exchange.private.codes import DENIED, TOO_OFTEN, bad
from btcframe.exchange.private.engine import Engine
from btcframe.exchange.private.orders import Refusal
from btcframe.exchange.private.rates import Left, Rates
from btcframe.exchange.private.signing import signer
from btcframe.exchange.private.telling import Publish, Telling
from btcframe.exchange.private.troubles import BEFORE, ERRORS, Troubles

Fields = dict[str, Any]
Note = Callable[..., None]


class Request(NamedTuple):
    """What came over HTTP.

    Parameters
    ----------
    method, path : str
    query : str             as it came, undecoded
    body : bytes
    headers : mapping       names in any case
    """

    method: str
    path: str
    query: str
    body: bytes
    headers: Mapping[str, str]


class Answer(NamedTuple):
    """What goes back; nothing where `cut`: the connection ends without a word."""

    code: int = 0
    said: str = "OK"
    result: Any = None
    extra: Any = None
    headers: Mapping[str, str] = {}
    cut: bool = False


class Service:
    """The private side without sockets.

    Parameters
    ----------
    markets : mapping       by category and pair
    holders : sequence      of accounts
    clock : callable        the exchange's clock, ms
    publish : callable      told of what the streams are to say
    note : callable         writes down what happened
    seed : int
    limited : bool          whether requests are counted

    Attributes
    ----------
    denied : int            retCode that every request is refused with at present, 0 for none
    """

    def __init__(
        self,
        markets: Mapping[tuple[str, str], Market],
        holders: Sequence[Holder],
        *,
        clock: Callable[[], int],
        publish: Publish,
        note: Note,
        seed: int,
        limited: bool,
    ) -> None:
        self.engine = Engine(markets, holders, clock, Telling(publish), seed)
        self.troubles = Troubles()
        self._rates = Rates() if limited else None
        self._clock, self._note = clock, note
        self.denied = 0

    @property
    def accounts(self) -> Mapping[str, Account]:
        """Every account by its key."""
        return self.engine.accounts

    def answer(self, request: Request) -> Answer:
        """The answer to a REST request."""
        headers: Mapping[str, str] = {}
        try:
            signed = (
                request.query.encode(errors="surrogateescape") if request.method == "GET" else request.body
            )
            account = signer(self.accounts, request.headers, signed, self._clock())
            asked = _asked(request)
            left = self.counted(account, request.path, asked)
            headers = left.headers() if left is not None else {}
            if left is not None and not left.allowed:
                raise Refusal(TOO_OFTEN, "Too many visits. Exceeded the API Rate Limit.")
            return self.carried_out(account, request.path, asked)._replace(headers=headers)
        except Refusal as refused:
            return Answer(refused.code, refused.said, {}, headers=headers)

    def counted(self, account: Account, path: str, asked: Fields) -> Left | None:
        """Count a request; None where nothing is counted."""
        if self._rates is None:
            return None
        batch = asked.get("request")
        count = len(batch) if isinstance(batch, list) and batch else 1
        category = str(asked.get("category", ""))
        return self._rates.take(account.uid, path, category, self._clock(), count)

    def carried_out(self, account: Account, path: str, asked: Fields) -> Answer:
        """Do what an account asks for.

        Raises
        ------
        Refusal
        """
        self.admit()
        self._permitted(account, path, asked)
        operation = path.rpartition("/")[2]
        if path in routes.READS:
            return Answer(result=routes.READS[path](self.engine, account, asked))
        if path in routes.WRITES:
            return Answer(result=routes.WRITES[path](self.engine, account, asked))
        if operation.endswith("-batch"):
            return self._batch(account, operation.removesuffix("-batch"), asked)
        return self._traded(account, operation, asked)

    def admit(self) -> None:
        """Refuse whoever it is while everybody is. Raises Refusal."""
        if self.denied:
            raise Refusal(self.denied, "denied: a fault of this exchange")

    def _permitted(self, account: Account, path: str, asked: Fields) -> None:
        needed, holder = routes.right(path), account.holder
        wanted = needed.spot if asked.get("category") == "spot" else needed.future
        if (needed.write and holder.read_only) or (wanted and wanted not in holder.rights):
            raise Refusal(DENIED, "Permission denied, please check your API key permissions.")

    def _traded(self, account: Account, operation: str, asked: Fields) -> Answer:
        """One order created, amended or canceled, with what goes wrong on the way."""
        trouble = self.troubles.take(operation)
        if trouble:
            self._note("trouble", fault=trouble, operation=operation, link=asked.get("orderLinkId", ""))
        if trouble == "request_lost":
            return Answer(cut=True)
        if trouble.endswith(BEFORE):
            raise Refusal(*ERRORS[trouble.removesuffix(BEFORE)])
        done = self._ordered(account, operation, asked, trouble)
        if trouble == "accepted_twice":
            done = self._ordered(account, operation, asked, "")
        if trouble in ERRORS:
            raise Refusal(*ERRORS[trouble])
        return done._replace(cut=trouble == "reply_lost")

    def _ordered(self, account: Account, operation: str, asked: Fields, fate: str) -> Answer:
        match operation:
            case "create":
                order = self.engine.create(account, asked, fate=fate)
            case "amend":
                order = self.engine.amend(account, asked)
            case _:
                order = self.engine.cancel(account, asked, fate=fate)
        return Answer(result=routes.named(order))

    def _batch(self, account: Account, operation: str, asked: Fields) -> Answer:
        """Several orders of one category, each with a code of its own."""
        items, category = asked.get("request"), asked.get("category", "")
        most = MOST_SPOT_BATCH if category == "spot" else MOST_BATCH
        if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
            raise bad("request invalid")
        if len(items) > most:
            raise bad(f"The number of orders in a batch exceeds {most}")
        rows, codes = [], []
        for item in items:
            row = {"category": category, "symbol": item.get("symbol", ""), "orderId": "", "orderLinkId": ""}
            try:
                done = self._ordered(account, operation, {**item, "category": category}, "")
                rows.append({**row, **done.result, "createAt": str(self._clock())})
                codes.append({"code": 0, "msg": "OK"})
            except Refusal as refused:
                rows.append({**row, "orderLinkId": item.get("orderLinkId", ""), "createAt": ""})
                codes.append({"code": refused.code, "msg": refused.said})
        return Answer(result={"list": rows}, extra={"list": codes})

    def truth(self, account: Account) -> Fields:
        """Everything of an account as it is, whatever its clients were told."""
        return {
            "uid": account.uid,
            "orders": [wire.order(order) for order in account.orders.values()],
            "open": [order.order_id for order in account.working.values()],
            "executions": [wire.execution(execution) for execution in account.executions],
            "positions": [
                wire.position(p, self.engine.mark(p.listing)) for p in account.positions.values() if p.lots
            ],
            "wallet": {coin: wire.number(amount) for coin, amount in sorted(account.wallet.items())},
            "hedge": account.hedge,
        }


MOST_BATCH, MOST_SPOT_BATCH = 20, 10
"""Orders of one batch."""

PATHS = (
    *routes.READS,
    *routes.WRITES,
    *(
        f"/v5/order/{operation}{form}"
        for operation in ("create", "amend", "cancel")
        for form in ("", "-batch")
    ),
)
"""Every path of the private REST."""


def _asked(request: Request) -> Fields:
    """The fields of a request. Raises Refusal where they cannot be read, or the method is not the path's."""
    if (request.method == "GET") != (request.path in routes.READS):
        raise bad(f"{request.method} {request.path}: no such request")
    if request.method == "GET":
        return dict(parse_qsl(request.query, keep_blank_values=True))
    try:
        value = json.loads(request.body or b"{}")
    except (ValueError, RecursionError):
        raise bad("the body is no JSON") from None
    if not isinstance(value, dict):
        raise bad("the body is no JSON object")
    return value
