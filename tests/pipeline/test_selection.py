from __future__ import annotations

import pytest

from btcframe.errors import ConfigError
from btcframe.pipeline.selection import chosen
from btcframe_features import Book, Returns

FEATURES = {"book": Book(), "fast": Returns(windows=(1, 5), half_lives=())}
EVERYTHING = {c.name for f in FEATURES.values() for c in f.columns()}


@pytest.mark.parametrize(
    ("select", "expected"),
    [
        (["*"], EVERYTHING),
        ([], EVERYTHING),
        (["spread_bps"], {"spread_bps"}),
        (["log_return_*"], {"log_return_1", "log_return_5"}),
        (["returns"], {"log_return_1", "log_return_5"}),  # a family
        (["fast"], {"log_return_1", "log_return_5"}),  # a component
        (["returns", "!log_return_1", "spread_bps"], {"log_return_5", "spread_bps"}),
        (["!book"], {"log_return_1", "log_return_5"}),
        (["!*", "spread_bps"], {"spread_bps"}),
    ],
)
def test_by_name_pattern_family_and_component(select: list[str], expected: set[str]) -> None:
    assert chosen(FEATURES, select) == expected


@pytest.mark.parametrize(
    ("select", "says"),
    [
        (["spred_bps"], "Did you mean spread_bps?"),
        (["!retrns"], "Did you mean returns?"),
        (["nothing_like_it_*"], "is no column, pattern, family or component"),
        (["nothing_like_it_*"], "Families and components: book, fast, returns."),
        (["BOOK"], "Did you mean book?"),
        (["!*"], "no column is left"),
    ],
)
def test_what_fits_nothing_is_refused(select: list[str], says: str) -> None:
    with pytest.raises(ConfigError) as error:
        chosen(FEATURES, select)
    assert says in str(error.value)


def test_without_features_there_is_nothing_to_choose() -> None:
    assert chosen({}, ["*"]) == frozenset()
