"""Claim: EMD and its kin, exact against PyEMD, at a hundredth of its time and less; causal windows fast enough live.

Peers: PyEMD (EMD-signal) with the same stop rule and, for ensembles, the same noise; it must agree within 1e-9 of the
signal's standard deviation, with as many modes, or nothing is timed. For one EMD also the package `emd`, whose
boundaries differ: for speed only. Signals differ from call to call: one signal again and again flatters the branches.
The ratio is of one thread's processor seconds, since PyEMD has one; PyEMD's ensembles run once.
"""

from __future__ import annotations

import itertools
import logging
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from benchmarks.frame import ROOT, first, skip, table
from benchmarks.inputs import SEED
from btcframe.kernels.hht import ceemdan, eemd, emd, noise_bank, rolling_hht, rolling_push, rolling_state
from btcframe.kernels.hht.noise import white_noise

BARS, WINDOW = 194_974, 512  # the former system's history, bars
FLOOR = {"ceemdan": 0.05, "eemd": 3e-3, "emd": 45e-6, "rolling": 2.5}  # estimated, s on two cores; emd on one
STRIDE, LATER = 173, 256
KLINES = ROOT.parent / "shared/market-data/klines/binance_spot_BTCUSDT_1m_2022-07_2024-06.parquet"
START = """
import numpy as np
from btcframe.kernels.hht import ceemdan, eemd, emd, hht, rolling_hht
x = np.cumsum(np.random.default_rng(0).normal(size=300))
emd(x), eemd(x, trials=5), ceemdan(x, trials=5), hht(x), rolling_hht(x, window=64)
"""


class Cost(NamedTuple):
    """Least seconds of some calls: on the clock, and of the processor."""

    wall: float
    cpu: float


def price(n: int, seed: int) -> np.ndarray:
    """A price of about 30,000 with heavy tails and a volatility of two states."""
    rng = np.random.default_rng(seed)
    calm = np.cumsum(rng.random(n) < 0.01) % 2 == 0
    return 30_000 * np.exp(np.cumsum(np.where(calm, 6e-4, 2.5e-3) * rng.standard_t(5, n)))


def cost(call: Callable[[], Any], repeats: int) -> Cost:
    wall, cpu = [], []
    for _ in range(repeats):
        began = time.perf_counter(), time.process_time()
        call()
        wall.append(time.perf_counter() - began[0])
        cpu.append(time.process_time() - began[1])
    return Cost(min(wall), min(cpu))


@contextmanager
def counted(peer: Any) -> Iterator[list[int]]:
    """How often PyEMD makes envelopes: its sifts."""
    made, sifts = peer.EMD.extract_max_min_spline, [0]

    def count(self: Any, *given: Any) -> Any:
        sifts[0] += 1
        return made(self, *given)

    peer.EMD.extract_max_min_spline = count
    try:
        yield sifts
    finally:
        peer.EMD.extract_max_min_spline = made


def agree(name: str, ours: np.ndarray, theirs: np.ndarray, x: np.ndarray) -> float:
    assert ours.shape == theirs.shape, f"{name}: {len(ours)} modes, {len(theirs)} of the peer's"
    error = float(np.abs(ours - theirs).max() / x.std())
    assert error <= 1e-9, f"{name}: {error:.1e}"
    return error


def line(job: str, wall: float, ours: Cost, peer: Cost, samples: float, floor: float) -> tuple[str, ...]:
    """Samples are samples times sifts; `wall` is measured with all threads, and the floor is the clock's."""
    unit, scale = ("s", 1.0) if wall >= 1 else ("ms", 1e3)
    return (
        job,
        f"{wall * scale:.3g} {unit}",
        f"{ours.cpu * scale:.3g} {unit}",
        f"{peer.cpu / ours.cpu:,.0f}×",
        f"{ours.cpu * 1e9 / samples:.2f}",
        f"{wall / floor:.1f}×",
    )


def one_emd(peer: Any) -> list[tuple[str, ...]]:
    n = 1024
    signals = [price(n, SEED + k) for k in range(20)]
    settings = {"max_imfs": 8, "stop": "fixed"}
    theirs = [peer.EMD(FIXE=10) for _ in signals]
    with counted(peer) as sifts:
        for x, p in zip(signals, theirs, strict=True):
            p.emd(x, None, 8)
            agree("emd", np.vstack(emd(x, **settings)), np.vstack([p.imfs, p.residue]), x)
    turn = itertools.cycle(range(len(signals)))
    fast = cost(lambda: [emd(x, **settings) for x in signals], 30)
    each = Cost(fast.wall / 20, fast.cpu / 20)
    slow = cost(lambda: peer.EMD(FIXE=10).emd(signals[next(turn)], None, 8), 20)
    rows = [line("EMD, N = 1024, fixed 10", each.wall, each, slow, n * sifts[0] / 20, FLOOR["emd"])]
    try:
        import emd as package
    except ImportError:
        skip("the package emd is not installed")
        return rows
    logging.getLogger("emd").setLevel(logging.ERROR)
    options = {"stop_method": "fixed", "max_iters": 10}
    other = cost(lambda: package.sift.sift(signals[next(turn)], max_imfs=8, imf_opts=options), 20)
    return [
        *rows,
        (
            "  the package emd",
            "",
            f"{other.cpu * 1e3:.3g} ms",
            f"{other.cpu / each.cpu:,.0f}× slower",
            "",
            "",
        ),
    ]


def ensembles(peer: Any) -> list[tuple[str, ...]]:
    rows = []
    signals = itertools.cycle([price(1024, SEED + k) for k in range(5)])
    x, noise = price(1024, SEED), white_noise(100, 1024, seed=SEED)
    fixed = {"max_imfs": 8, "stop": "fixed"}
    theirs, draws = peer.EEMD(trials=100, parallel=False, FIXE=10), iter(noise)
    theirs.generate_noise = lambda scale, size: scale * next(draws)
    with counted(peer) as sifts:
        slow = cost(lambda: theirs(x, max_imf=8), 1)
    agree("eemd", eemd(x, noise=noise, **fixed).imfs, theirs.E_IMF, x)
    both = cost(lambda: eemd(next(signals), seed=SEED, **fixed), 15)
    alone = cost(lambda: eemd(next(signals), seed=SEED, threads=1, **fixed), 15)
    rows.append(
        line("EEMD, 100 trials, N = 1024, fixed 10", both.wall, alone, slow, 1024 * sifts[0], FLOOR["eemd"])
    )

    x, noise = price(4096, SEED), white_noise(100, 4096, seed=SEED)
    theirs = peer.CEEMDAN(trials=100, parallel=False)
    theirs.generate_noise = lambda scale, size: noise
    with counted(peer) as sifts:
        slow = cost(lambda: theirs(x), 1)
    agree("ceemdan", np.vstack(ceemdan(x, noise=noise)), theirs.C_IMF, x)
    both = cost(lambda: ceemdan(x, seed=SEED), 5)
    alone = cost(lambda: ceemdan(x, seed=SEED, threads=1), 5)
    rows.append(
        line(
            "CEEMDAN, 100 trials, N = 4096, PyEMD's rule",
            both.wall,
            alone,
            slow,
            4096 * sifts[0],
            FLOOR["ceemdan"],
        )
    )
    bank = noise_bank(4096, seed=SEED)
    both = cost(lambda: ceemdan(x, noise=bank), 5)
    alone = cost(lambda: ceemdan(x, noise=bank, threads=1), 5)
    rows.append(
        (
            "  with a noise bank",
            f"{both.wall * 1e3:.3g} ms",
            f"{alone.cpu * 1e3:.3g} ms",
            f"{slow.cpu / alone.cpu:,.0f}×",
            "",
            "",
        )
    )
    return rows


def rolling(peer: Any) -> list[tuple[str, ...]]:
    x = np.log(price(BARS, SEED))
    windows = BARS - WINDOW + 1
    some = range(0, windows, windows // 20)
    theirs = peer.EMD(FIXE=10)
    with counted(peer) as sifts:
        slow = cost(lambda: [theirs.emd(x[t : t + WINDOW].copy(), None, 8) for t in some], 1)
    for t in some:
        theirs.emd(x[t : t + WINDOW].copy(), None, 8)
        ours = rolling_hht(x[t : t + WINDOW], window=WINDOW, bands=())
        wanted = (theirs.imfs.sum(0) ** 2).mean()
        assert abs(ours.energy[0, 0] - wanted) <= 1e-9 * x.std(), "rolling: another energy"
    both = cost(lambda: rolling_hht(x), 1)
    alone = cost(lambda: rolling_hht(x, threads=1), 1)
    peer_cost = Cost(slow.wall / len(some) * windows, slow.cpu / len(some) * windows)
    samples = WINDOW * sifts[0] / len(some) * windows
    rows = [
        line(
            f"rolling, W = {WINDOW}, {windows:,} windows",
            both.wall,
            alone,
            peer_cost,
            samples,
            FLOOR["rolling"],
        )
    ]

    state = rolling_state()
    rolling_push(x[:WINDOW], state)
    taken = [cost(lambda bar=bar: rolling_push(bar, state), 1).wall * 1e3 for bar in x[WINDOW:5_000]]
    p50, p99 = np.percentile(taken, (50, 99))
    return [*rows, ("  one live bar, median (99 %)", f"{p50:.3f} ms ({p99:.3f})", "", "", "", "")]


def swings(x: np.ndarray, lag: int, edge: str) -> np.ndarray:
    """What each band is worth `lag` bars before the end of each window (t, bands)."""
    rows = rolling_hht(x, window=WINDOW, stride=STRIDE, lag=lag, edge=edge)
    return np.nan_to_num(rows.amplitude * np.cos(rows.phase))


def edges() -> None:
    """How far a bar read `lag` bars before a window's end agrees with the same bar 256 bars later, by band."""
    markets = {"synthetic": np.log(price(2 * BARS, SEED))}
    try:
        import pyarrow.parquet as pq

        markets["klines"] = np.log(pq.read_table(KLINES, columns=["close"])["close"].to_numpy().astype(float))
    except (ImportError, FileNotFoundError):
        skip("the market data of klines is not here")
    rows = []
    for (market, x), edge in itertools.product(markets.items(), ("mirror", "ar")):
        few = cost(lambda x=x, edge=edge: rolling_hht(x[:20_000], stride=STRIDE, edge=edge, threads=1), 3)
        spent = few.cpu / ((20_000 - WINDOW) // STRIDE + 1) * 1e6
        for lag in (0, 4, 16, 64):
            later = swings(x[LATER:], lag + LATER, edge)
            now = swings(x, lag, edge)[: len(later)]
            agree = [np.corrcoef(a, b)[0, 1] for a, b in zip(now.T, later.T, strict=True)]
            rows.append((market, edge, f"{spent:.0f} µs", f"{lag}", *(f"{r:.2f}" for r in agree)))
    table(
        "The right edge", "market", "edge", "a window", "lag", "<5 bars", "5–15", "15–60", "60–240", "≥240",
        rows=rows, note="Correlation of a band at a bar with the same band at the same bar, 256 bars later.",
    )  # fmt: skip


def starts() -> str:
    with tempfile.TemporaryDirectory() as folder:
        spent = []
        for _ in range(2):
            before = os.times()
            subprocess.run(
                [sys.executable, "-c", START], env={**os.environ, "NUMBA_CACHE_DIR": folder}, check=True
            )
            after = os.times()
            spent.append(
                after.children_user + after.children_system - before.children_user - before.children_system
            )
    return f"A process that uses all of it: {spent[0]:.1f} processor seconds with nothing compiled, {spent[1]:.1f} warm."


def main() -> None:
    try:
        import PyEMD as peer
    except ImportError:
        skip("the peer, EMD-signal, is not installed")
        return
    warnings.simplefilter("ignore")  # PyEMD divides by samples that may be 0
    began, _ = first(lambda: emd(price(300, SEED)))
    rows = [*one_emd(peer), *ensembles(peer), *rolling(peer)]
    table(
        "Hilbert-Huang transform", "job", "all threads", "CPU, one thread", "× PyEMD", "ns/sample/sift", "over floor",
        rows=rows, note=f"{began} {starts()}",
    )  # fmt: skip
    edges()
