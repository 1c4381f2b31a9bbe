"""A model of other settings is refused, and what the refusal proposes makes it fit."""

from __future__ import annotations

import functools
import shlex
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from test_conf import resolved

from btcframe.cli.hydra_overrides import check_overrides
from btcframe.errors import ModelError
from btcframe.plugins import Catalog, discover
from btcframe.run import Run
from btcframe.sessions.fits import check_fits, written
from btcframe.sources.random_walk import RandomWalk

INSTRUMENT = RandomWalk().open(seed=3).instrument
KEPT = ("clock", "regime", "label", "model", "features")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


@functools.cache
def config(*overrides: str) -> dict[str, Any]:
    """Composed once, and read only."""
    return resolved("backtest", *overrides)


def manifest(*overrides: str, **changes: Any) -> dict[str, Any]:
    """Of a model that was trained so."""
    told = config(*overrides)
    return {"symbol": INSTRUMENT.symbol, **{slot: told[slot] for slot in KEPT}, **changes}


def fits(catalog: Catalog, trained: dict[str, Any], *overrides: str) -> None:
    run = Run(Path(), config(*overrides), catalog)
    check_fits(trained, run, INSTRUMENT)


NESTED = "model.ridge={plugin: ridge, alpha: 3.5}"
HERE = ("features=[book,returns]", "model=ensemble")


@pytest.mark.parametrize(
    ("there", "told"),
    [
        (("label.horizons=[7s]",), ["label.horizons was [7s] and is [5s,15s,60s]"]),
        (("clock.every=250ms",), ["clock.every was 250ms and is 1s"]),
        (("clock.every=250ms", "label.horizons=[7s,1m]", "label.price=microprice"),
         ["clock.every was 250ms", "label.horizons was [7s,1m]", "label.price was microprice and is mid"]),
        (("label=triple_barrier", "label.up=2.5"), ["label was triple_barrier and is forward_return"]),
        (("regime=hht", "regime.bands=[5,15]"), ["regime was hht and is "]),
        (("features=[book]",), ["features.returns was not chosen and is chosen"]),
        (("features=[book,returns,flow]", "features.flow.levels=[2]"), ["features.flow was chosen and is not chosen"]),
        (("features.book.spread=false", "features.book.bands=[3-4]"),
         ["features.book.spread was false and is true", "features.book.bands was [3-4] and is [1,2-3,4-5,6-10,11-20]"]),
        (("~features.returns", "+features.returns={plugin: flow}"), ["features.returns was flow and is returns"]),
        ((NESTED,), ["model.ridge was {plugin:ridge,alpha:3.5} and is null"]),
        (("model=persistence",), ["model was persistence and is ensemble"]),
    ],
)  # fmt: skip
def test_what_is_proposed_makes_it_fit(catalog: Catalog, there: tuple[str, ...], told: list[str]) -> None:
    trained = manifest(*HERE, *there)
    fits(catalog, trained, *HERE, *there)
    with pytest.raises(ModelError) as error:
        fits(catalog, trained, *HERE)
    for part in told:
        assert part in str(error.value)
    assert "(" not in error.value.what.replace("(many)", "")  # no object as Python writes it
    overrides = shlex.split(error.value.next.removeprefix("As they were trained: "))
    check_overrides(catalog, "backtest", [*HERE, *overrides])
    fits(catalog, trained, *HERE, *overrides)


def test_what_is_not_written_is_the_default(catalog: Catalog) -> None:
    fits(catalog, manifest(*HERE, clock={"plugin": "time"}), *HERE)


@pytest.mark.parametrize(
    "text", ["", "a b", "it's", "[1,2]", "{a: b}", "null", "BTC/USDT:USDT", "2-3", "1s", "3"]
)
def test_text_is_quoted_where_it_must_be(text: str) -> None:
    parsed = OverridesParser.create().parse_override(f"x={written(text)}").value()
    assert str(parsed) == text  # a number or a choice is made text again by the type of its field


def test_another_market(catalog: Catalog) -> None:
    with pytest.raises(ModelError, match="trained on ETH/USDT, the source is of BTC/USDT:USDT"):
        fits(catalog, manifest(*HERE, symbol="ETH/USDT"), *HERE)
