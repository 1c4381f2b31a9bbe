"""What is said of constants, explosions, moves and likenesses made on purpose, and nothing of an ordinary table."""

from __future__ import annotations

import numpy as np
import pytest

from btcframe.api import Column
from btcframe.checkup.collect import Collector
from btcframe.checkup.judge import LINES, NAMED, clusters, remarks, share, summary
from btcframe.checkup.numbers import Checkup
from btcframe.testing.markets import clean_rows

N = 6000


def found(quiet: bool = False, **columns: np.ndarray | tuple[np.ndarray, Column]) -> Checkup:
    rows = clean_rows(N)
    if quiet:
        for name in ("buy_volume", "sell_volume", "buy_count", "sell_count"):
            rows[name] = 0.0
    declared = [c[1] if isinstance(c, tuple) else Column(name) for name, c in columns.items()]
    values = [c[0] if isinstance(c, tuple) else c for c in columns.values()]
    collector = Collector([c._replace(name=name) for c, name in zip(declared, columns, strict=True)])
    collector.add(rows, np.stack(values, axis=1))
    return collector.finish()


def noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(N)


def said(checkup: Checkup) -> list[tuple[str, str]]:
    return [(r.kind, r.column) for r in remarks(checkup)]


def test_an_ordinary_table_takes_one_line() -> None:
    heavy = np.random.default_rng(1).standard_t(2, N)  # infinite variance, and still not wild
    checkup = found(
        a=noise(2), b=noise(3), heavy=heavy, level=60_000 + noise(4), rare=np.where(noise() > 2, 1.0, 0.0)
    )
    assert summary(checkup) == ["  5 columns checked: nothing stands out"]


def test_constants() -> None:
    time = Column("", inputs=("row_ns",))
    trades = Column("", inputs=("buy_volume", "sell_volume"))
    nearly = np.where(np.arange(N) % 199 == 0, noise(), 3.0)
    checkup = found(
        quiet=True,
        flat=np.full(N, 2.5),
        nearly=nearly,
        phase=(np.full(N, 1.0), time),
        idle=(np.zeros(N), trades),
    )
    told = {r.column: r for r in remarks(checkup)}
    assert {r.kind for r in told.values()} == {"constant"}
    assert told["flat"].words == "always 2.5" and told["flat"].why == ""
    assert told["nearly"].words == "one value in 99.5 % of the rows"
    assert told["phase"].why == f"it follows the time, and the rows span {N - 1:,} s"
    assert told["idle"].why == "there is no trade in the rows"


def test_infinities_and_broken_promises() -> None:
    wild = noise()
    wild[[7, 4000]] = np.inf, -np.inf
    share_of = np.abs(noise(1)).clip(0, 1)
    share_of[1234] = 1.5
    checkup = found(
        wild=wild, part=(share_of, Column("", low=0.0, high=1.0)), below=(noise(2), Column("", low=-1e-9))
    )
    told = {r.column: (r.kind, r.words) for r in remarks(checkup)}
    assert told["wild"] == ("infinite", "in 2 rows")
    assert told["part"] == ("outside", "up to 1.5, declared to 1")
    assert told["below"][1].startswith("down to -") and told["below"][1].endswith("declared from -1e-09")
    assert said(checkup)[0] == ("infinite", "wild")  # the gravest first


def test_one_value_far_out_is_found_wherever_it_stands() -> None:
    for at in (0, 3001, N - 1):  # in the sample or not
        far = noise()
        far[at] = -1e5
        assert said(found(far=far)) == [("wild", "far")]
    kept = 0.016 + 1e-6 * noise()  # a spread of one tick, whose bps follow the price
    kept[5] = 0.32
    assert said(found(kept=kept)) == []


def test_growth() -> None:
    steady = noise() * np.exp(np.linspace(0, 4, N))
    burst = noise()
    burst[2400:3000] *= 50
    assert said(found(steady=steady, burst=burst)) == [("growing", "steady")]


def test_moves() -> None:
    up = noise()
    up[-N // 10 :] += 30
    slow = 60_000 + 0.01 * np.sort(noise())  # moves by order, hardly by size
    hour = np.sin(np.linspace(0, 2 * np.pi, N)) + 3 * (np.arange(N) >= 5400)
    checkup = found(up=up, slow=slow, hour=(hour, Column("", inputs=("row_ns",))))
    assert said(checkup) == [("moved", "up")]
    assert remarks(checkup)[0].words.startswith("higher in tenth 10: median ")


def test_likeness_either_way() -> None:
    a, b = noise(), noise(1)
    checkup = found(a=a, b=b, minus=-a, cube=a**3, other=b + 0.01 * noise(2))
    assert clusters(checkup) == [["a", "minus", "cube"], ["b", "other"]]
    assert summary(checkup)[1] == (
        "    alike (rank correlation 0.90 or more): 5 columns in 2 groups: a = minus = cube; b = other"
    )


def test_what_trends_is_not_like_the_hour() -> None:
    time = Column("", inputs=("row_ns",))
    rising = np.linspace(0.0, 1.0, N)
    checkup = found(
        trend=rising, hour=(rising, time), funding=(rising**3, time), other=rising + 0.01 * noise()
    )
    assert clusters(checkup) == [["trend", "other"], ["hour", "funding"]]


def test_columns_with_one_cause_share_a_line_and_the_rest_are_counted() -> None:
    lacking = {f"n{k}": np.where(np.arange(N) < 5000, np.nan, noise(k)) for k in range(NAMED + 3)}
    lines = summary(found(**lacking))
    assert len(lines) == 2
    assert lines[1].startswith("    known in 17 % of the rows: n0, n1, n2, n3 and 3 more — in 5,000 rows")


def test_never_more_than_a_few_lines() -> None:
    columns = {
        f"c{k}": (np.where(np.arange(N) < 2000 + k, np.nan, noise(k)), Column("", awaits=f"sign {k}"))
        for k in range(20)
    }
    lines = summary(found(**columns))
    assert len(lines) == LINES and lines[-1] == "    and 12 more remarks: see the page"


@pytest.mark.parametrize(
    ("n", "rows", "text"),
    [(0, 10, "0 %"), (10, 10, "100 %"), (1, 100_000, "0.1 %"), (99_999, 100_000, "99.9 %"), (50, 200, "25 %"), (0, 0, "0 %")],
)  # fmt: skip
def test_shares_are_whole_only_where_they_are(n: int, rows: int, text: str) -> None:
    assert share(n, rows) == text
