"""The same orders through hftbacktest. Runs in an environment of its own, without btcframe: `environment.Judge` asks.

Each line of standard input names a directory with a request, data.npy, commands.npy and request.json; the answer is
fills.npy beside them, and one line of JSON with the seconds it took.

Three things of version 2.4.4 are gone round here, each told in docs/judge.md:

- an order of n lots is sent as n − ¼: one that is filled to exactly nothing stays in its table, and fails when it is
  touched again;
- the quantity of an amendment is what is left, not the total;
- a fill is read off what is left of an order, for of several at one moment only the last is told.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from hftbacktest import BacktestAsset, HashMapMarketDepthBacktest
from numba import njit

FILL = np.dtype(
    [
        ("order_id", "i8"),
        ("ns", "i8"),  # when the trader knew
        ("venue_ns", "i8"),
        ("ticks", "i8"),  # of the last level
        ("lots", "i8"),  # of all levels
        ("last_lots", "i8"),  # of the last level
        ("maker", "i8"),
    ]
)

SUBMIT, AMEND, CANCEL = 1, 2, 3
TIME_IN_FORCE = np.array([0, 0, 3, 2, 1], np.uint8)  # ours → theirs: GTC, IOC, FOK, POST_ONLY
LESS = 0.25
END_OF_DATA, ERROR = 1, 10


@njit
def look(hbt, lot, rest, pending, fills, n):
    """Write down what was filled since the last look."""
    values = hbt.orders(0).values()
    ended = False
    while values.has_next():
        order = values.get()
        k = order.order_id
        leaves = order.leaves_qty / lot
        if order.req == 0 and pending[k] >= 0:  # a smaller size was answered
            if abs(leaves - pending[k]) < 0.1:
                rest[k] = leaves
            pending[k] = -1.0
        if leaves > rest[k]:  # amended while it filled: it has its old size again
            rest[k] = leaves
        if leaves < rest[k] - 0.1:
            more = LESS if leaves < 0.1 else 0.0
            fills[n]["order_id"] = k
            fills[n]["ns"] = hbt.current_timestamp
            fills[n]["venue_ns"] = order.exch_timestamp
            fills[n]["ticks"] = order.exec_price_tick
            fills[n]["lots"] = round(rest[k] - leaves + more)
            fills[n]["last_lots"] = round(order.exec_qty / lot + more)
            fills[n]["maker"] = order.arr[0].maker
            n += 1
            rest[k] = leaves
        ended |= order.status in (2, 3, 4)
    if ended:
        hbt.clear_inactive_orders(0)
    return n


@njit
def send(hbt, c, tick, lot, rest, pending, total, watched):
    """Send one command; returns an error of theirs, or 0."""
    k = c["order_id"]
    if c["action"] == SUBMIT:
        rest[k], total[k] = c["lots"] - LESS, c["lots"]
        kind = 1 if c["ticks"] == 0 else 0
        tif = TIME_IN_FORCE[c["tif"]]
        price, size = c["ticks"] * tick, (c["lots"] - LESS) * lot
        if c["side"] > 0:
            return hbt.submit_buy_order(0, k, price, size, tif, kind, False)
        return hbt.submit_sell_order(0, k, price, size, tif, kind, False)
    order = hbt.orders(0).get(k)
    if order is None or order.status in (2, 3, 4):
        return 0
    if order.req != 0:
        return 11
    if c["action"] == AMEND:
        left = c["lots"] - (total[k] - LESS - (rest[k] if watched else order.leaves_qty / lot)) - LESS
        if left > 0:
            if c["ticks"] == order.price_tick:
                pending[k] = left
            total[k] = c["lots"]
            return hbt.modify(0, k, c["ticks"] * tick, left * lot, False)
    return hbt.cancel(0, k, False)


@njit
def watch(hbt, commands, tick, lot, fills):
    """Send all commands, and see every answer at the moment it comes; returns (fills, error)."""
    most = commands["order_id"].max() + 1
    rest, pending, total = np.zeros(most), np.full(most, -1.0), np.zeros(most)
    n, k = 0, 0
    hbt.elapse(0)
    while True:
        now = hbt.current_timestamp
        while k < len(commands) and commands[k]["ns"] <= now:
            told = send(hbt, commands[k], tick, lot, rest, pending, total, True)
            if told >= ERROR:
                return n, told
            k += 1
        wait = commands[k]["ns"] - now if k < len(commands) else 1 << 60
        told = hbt.wait_next_feed(True, wait)
        if told >= ERROR:
            return n, told
        n = look(hbt, lot, rest, pending, fills, n)
        if told == END_OF_DATA:
            return n, 0


@njit
def pass_by(hbt, commands, tick, lot):
    """The same without looking: what its matching takes."""
    most = commands["order_id"].max() + 1
    rest, pending, total = np.zeros(most), np.full(most, -1.0), np.zeros(most)
    hbt.elapse(0)
    for k in range(len(commands)):
        wait = commands[k]["ns"] - hbt.current_timestamp
        if wait > 0:
            told = hbt.elapse(wait)
            if told != 0:
                return told
        told = send(hbt, commands[k], tick, lot, rest, pending, total, False)
        if told >= ERROR:
            return told
    return hbt.elapse(1 << 60)


def open_market(data, request):
    """A backtest of one asset; `queue` names a method of theirs, `arguments` are its."""
    asset = BacktestAsset().data(data).linear_asset(1.0)
    asset = asset.constant_order_latency(request["entry_ns"], request["response_ns"])
    asset = getattr(asset, request["queue"])(*request["arguments"]).partial_fill_exchange()
    asset = asset.trading_value_fee_model(0.0, 0.0).tick_size(request["tick"]).lot_size(request["lot"])
    return HashMapMarketDepthBacktest([asset])


def answer(folder, data, commands):
    """Answer one request; returns what is told of it."""
    request = json.loads((folder / "request.json").read_text())
    tick, lot = request["tick"], request["lot"]
    hbt = open_market(data, request)
    error = count = 0
    fills = np.zeros(20 * len(commands) + 1000 if request["watch"] else 0, FILL)
    start = time.perf_counter()
    if request["watch"]:
        count, error = watch(hbt, commands, tick, lot, fills)
    else:
        told = pass_by(hbt, commands, tick, lot)
        error = told if told >= ERROR else 0
    seconds = time.perf_counter() - start
    hbt.close()
    np.save(folder / "fills.npy", fills[:count])
    return {"seconds": seconds, "error": error}


def main():
    """Answer until there are no more lines; data are read once per directory."""
    read = None
    for line in sys.stdin:
        folder = Path(line.strip())
        if read is None or read[0] != folder:
            read = (folder, np.load(folder / "data.npy"), np.load(folder / "commands.npy"))
        print(json.dumps(answer(*read)), flush=True)


if __name__ == "__main__":
    main()
