"""The check of sources that can be entered: an honest one passes, and each way to break the rules is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import archive_days
import pytest

from btcframe.sources.bybit_archive import BybitArchive
from btcframe.sources.random_walk import RandomWalk
from btcframe.testing import ContractError, NotApplicable
from btcframe.testing.entered import check_openings


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> BybitArchive:
    return archive_days.archive(tmp_path_factory.mktemp("days"), days=2, seconds=90)


@dataclass(frozen=True)
class Backwards(archive_days.Misleading):
    """Names its openings the wrong way round."""

    def openings(self) -> tuple[int, ...]:
        return self.market.openings()[::-1]


@dataclass(frozen=True)
class Early(archive_days.Misleading):
    """Has no opening but its beginning."""

    def openings(self) -> tuple[int, ...]:
        return self.market.openings()[:1]


def test_an_honest_one(days: BybitArchive) -> None:
    check_openings(days)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda days: archive_days.Misleading(days, (1,)), "it does not say, 60 s later"),
        (lambda days: Backwards(days, ()), "its openings do not go forward"),
    ],
)
def test_what_breaks_the_rules(days: BybitArchive, make: Callable[[Any], Any], what: str) -> None:
    with pytest.raises(ContractError, match=what):
        check_openings(make(days))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda days: RandomWalk(), "cannot be entered in its middle"),
        (lambda days: BybitArchive(), "it cannot be opened here"),
        (lambda days: Early(days, ()), "no opening so early"),
    ],
)
def test_what_it_does_not_apply_to(
    days: BybitArchive, tmp_path: Path, make: Callable[[Any], Any], why: str
) -> None:
    with pytest.raises(NotApplicable, match=why):
        check_openings(make(days))
