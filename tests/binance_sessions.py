"""Lines of a recorded Binance session, written by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from btcframe.sources.binance_raw import BinanceRaw
from btcframe.types import EventArray, Kind

STAMP = 1_700_000_000_000_000_000
MS = 1_000_000


def depth(
    u_first: int, u: int, pu: int | None = None, bids: object = (), asks: object = (), **extra: object
) -> str:
    data = {"e": "depthUpdate", "E": 1700000000005, "T": 1700000000004, "s": "BTCUSDT", "U": u_first, "u": u}
    if pu is not None:
        data["pu"] = pu
    else:
        del data["T"]
    data |= {"b": list(bids), "a": list(asks)} | extra
    return json.dumps({"stream": "btcusdt@depth@0ms", "data": data}, separators=(",", ":"))


def snapshot(state: int, bids: object = (("100.0", "1.000"),), asks: object = (("100.1", "2.000"),)) -> str:
    reply = {
        "lastUpdateId": state,
        "E": 1700000000003,
        "T": 1700000000002,
        "bids": list(bids),
        "asks": list(asks),
    }
    return json.dumps(reply)  # with spaces, as collectors write it


def spot_snapshot(state: int) -> str:
    return json.dumps({"lastUpdateId": state, "bids": [["100.00", "1"]], "asks": [["100.01", "2"]]})


def trade(price: str = "100.1", size: str = "0.005", m: bool = False, X: str | None = "MARKET") -> str:
    data = {
        "e": "trade",
        "E": 1700000000007,
        "T": 1700000000006,
        "s": "BTCUSDT",
        "t": 9,
        "p": price,
        "q": size,
    }
    data |= {"X": X, "m": m} if X is not None else {"m": m}
    return json.dumps({"stream": "btcusdt@trade", "data": data}, separators=(",", ":"))


BOOK_TICKER = '{"stream":"btcusdt@bookTicker","data":{"u":1,"s":"BTCUSDT","b":"1","B":"1","a":"2","A":"1"}}'


def session(path: Path, *lines: str, first: int = STAMP, step: int = 1000) -> str:
    text = "".join(f"{first + i * step} {line}\n" for i, line in enumerate(lines))
    path.write_text(text)
    return str(path)


def events_of(source: BinanceRaw) -> EventArray:
    return np.concatenate([batch.events for batch in source.open(seed=0)])


def read(path: Path, *lines: str, **options: object) -> list[tuple]:
    events = events_of(BinanceRaw(paths=(session(path, *lines),), **options))
    return [(Kind(int(e["kind"])).name, int(e["update_id"]), int(e["ticks"]), int(e["lots"])) for e in events]
