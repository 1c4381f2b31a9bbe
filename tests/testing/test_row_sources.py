"""The check of sources that give rows: an honest one passes, and each way to break the rules is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from btcframe.api import Batch
from btcframe.errors import DataError
from btcframe.testing import ContractError, NotApplicable
from btcframe.testing.row_sources import check_rows
from btcframe.testing.sources import check_deterministic
from btcframe.types import EVENT, NS, ROW, Instrument, RowArray, RowFlag


def ten(change: Callable[[RowArray], Any] = lambda rows: None) -> RowArray:
    rows = np.zeros(10, ROW)
    rows["row_ns"] = NS * np.arange(1, 11)
    rows["mid"] = rows["mid_high"] = rows["mid_low"] = 100
    rows["flags"][4], rows["mid"][4] = RowFlag.GAP, np.nan
    change(rows)
    return rows


@dataclass
class Rows:
    """Gives batches, another list of them at each opening."""

    openings: list[list[Batch]]
    instrument = Instrument("BTC/USDT", Decimal("0.1"), Decimal("0.001"))

    def open(self, *, seed: int) -> Rows:
        return Rows([self.openings.pop(0) if len(self.openings) > 1 else self.openings[0]])

    def __iter__(self) -> Iterator[Batch]:
        return iter(self.openings[0])

    def close(self) -> None:
        pass


class Told(Rows):
    """The same, and it says how long its rows are."""

    def row_period_ns(self) -> int:
        return NS


class Closed(Told):
    """Nothing is there."""

    def open(self, *, seed: int) -> Rows:
        raise DataError("no file is named")


def test_an_honest_source_passes() -> None:
    rows = ten()
    check_rows(Told([[Batch(rows=rows[:3]), Batch(rows=rows[3:])]]))


@pytest.mark.parametrize(
    ("openings", "words"),
    [
        ([[]], "Told ends without a row"),
        ([[Batch(rows=ten())], [Batch(rows=ten()[1:])]], "opened twice with seed 0 it gives other rows"),
        ([[Batch(rows=np.delete(ten(), 6))]], "row 6 ends 2000000000 ns after the one before it, and its rows last 1000000000"),
        ([[Batch(np.zeros(1, EVENT), rows=ten())]], "gives a batch of 1 events and rows of"),
        ([[Batch()]], "gives a batch of 0 events and rows of None"),
        ([[Batch(rows=ten(lambda r: r["mid"].put(2, np.nan)))]], "row 2 cannot be: mid nan"),
        ([[Batch(rows=ten(lambda r: r["mid"].put(4, 100)))]], "row 4 cannot be: mid 100.0"),
        ([[Batch(rows=ten(lambda r: r["mid"].put(3, -1)))]], "row 3 cannot be: mid -1.0"),
        ([[Batch(rows=ten(lambda r: r["mid_low"].put(3, 101)))]], "row 3 cannot be: mid 100.0, high 100.0, low 101.0"),
        ([[Batch(rows=ten(lambda r: r["age_ns"].put(7, -1)))]], "row 7 has an age of -1 ns"),
    ],
)  # fmt: skip
def test_what_breaks_the_rules_is_named(openings: list[list[Batch]], words: str) -> None:
    with pytest.raises(ContractError) as caught:
        check_rows(Told(openings))
    assert words in str(caught.value)


def test_a_source_of_rows_must_say_so() -> None:
    with pytest.raises(ContractError, match="does not say how long they are"):
        check_deterministic(Rows([[Batch(rows=ten())]]))
    with pytest.raises(NotApplicable, match="gives events"):
        check_rows(Rows([[]]))
    with pytest.raises(NotApplicable, match="cannot be opened here: no file is named"):
        check_rows(Closed([[]]))
