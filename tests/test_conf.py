"""Every config file composes, builds, and says what it is for."""

from __future__ import annotations

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
from btcframe.plugins import discover
from btcframe.run import check

FOLDER = Path(str(resources.files("btcframe.conf")))
EXPERIMENTS = sorted(p.stem for p in (FOLDER / "experiment").glob("*.yaml"))


def resolved(verb: str, *overrides: str) -> dict[str, Any]:
    register(discover())
    with initialize_config_module(config_module="btcframe.conf", version_base="1.3"):
        config = compose(verb, overrides=list(overrides))
        return cast(dict[str, Any], OmegaConf.to_container(config, resolve=True, enum_to_str=True))


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_composes_and_builds(verb: str) -> None:
    config = resolved(verb)
    assert config["verb"] == verb
    check(config, discover())


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_every_experiment_composes_and_builds(experiment: str) -> None:
    check(resolved("run", f"experiment={experiment}"), discover())


def test_every_component_composes_as_a_choice() -> None:
    catalog = discover()
    for slot, components in catalog.components.items():
        for name in components:
            choice = f"{slot}=[{name}]" if slot in ("features", "risk") else f"{slot}={name}"
            node = resolved("run", choice)[slot]
            assert (node[name] if slot in ("features", "risk") else node)["plugin"] == name


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
        check(resolved("run", override), discover())


def test_no_embargo_is_a_choice() -> None:
    check(resolved("run", "validation.embargo=0s"), discover())
