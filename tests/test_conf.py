"""Every config file composes, builds, and says what it is for."""

from __future__ import annotations

import functools
import re
from importlib import resources
from pathlib import Path
from typing import Any, cast

import pytest
from hydra import compose, initialize_config_module
from omegaconf import OmegaConf

from btcframe.cli import main as cli
from btcframe.cli.hydra_app import register
from btcframe.errors import ConfigError
from btcframe.plugins import Catalog, discover
from btcframe.run import check
from btcframe.slots import SLOTS

FOLDER = Path(str(resources.files("btcframe.conf")))
EXPERIMENTS = sorted(p.stem for p in (FOLDER / "experiment").glob("*.yaml"))


@functools.cache
def registered() -> Catalog:
    """What is installed, known to Hydra, once."""
    catalog = discover()
    register(catalog)
    return catalog


def resolved(verb: str, *overrides: str) -> dict[str, Any]:
    registered()
    with initialize_config_module(config_module="btcframe.conf", version_base="1.3"):
        config = compose(verb, overrides=list(overrides))
        return cast(dict[str, Any], OmegaConf.to_container(config, resolve=True, enum_to_str=True))


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_composes_and_builds(verb: str) -> None:
    config = resolved(verb)
    assert config["verb"] == verb
    check(config, registered())


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_composes_and_builds(experiment: str) -> None:
    check(resolved("run", f"experiment={experiment}"), registered())


def test_every_component_composes_as_a_choice() -> None:
    """One of each slot at a time, for a composition takes a quarter of a second."""
    by_slot = {slot: list(components) for slot, components in registered().components.items()}
    for n in range(max(map(len, by_slot.values()))):
        chosen = {slot: names[n % len(names)] for slot, names in by_slot.items()}
        choices = [f"{s}=[{name}]" if SLOTS[s].many else f"{s}={name}" for s, name in chosen.items()]
        config = resolved("run", *choices)
        for slot, name in chosen.items():
            node = config[slot]
            assert (node[name] if SLOTS[slot].many else node)["plugin"] == name


def test_every_file_begins_with_what_it_is_for() -> None:
    for path in FOLDER.rglob("*.yaml"):
        comments = [line for line in path.read_text().splitlines()[:2] if line.startswith("# ")]
        assert [c for c in comments if not c.startswith("# @package")], path


def test_a_second_instance_of_a_feature() -> None:
    features = resolved("run", "+features@features.again=book")["features"]
    assert features["again"]["plugin"] == "book"


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("validation.embargo=soon", "validation.embargo: 'soon' is not a duration"),
        ("warm_start=runs/nothing", "warm_start: there is no directory runs/nothing"),
        ("state.every=never", "state.every: 'never' is not a duration"),
        ("state.fresh=-1s", "state.fresh: '-1s' is not a duration"),
        ("validation.folds=0", "validation.folds: 0 is less than 1"),
        ("build.batch=0", "build.batch: 0"),
        ("build.threads=0", "build.threads: 0"),
        ("backtest.cash=0", "backtest.cash: 0"),
        ("backtest.cash=-5", "backtest.cash: -5"),
    ],
)
def test_an_impossible_setting_is_refused_before_any_work(override: str, says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        check(resolved("run", override), registered())


def test_no_embargo_is_a_choice() -> None:
    check(resolved("run", "validation.embargo=0s"), registered())
