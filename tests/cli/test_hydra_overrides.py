"""What the command line says before Hydra composes: every kind of override and flag that cannot mean anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from btcframe.cli.hydra_overrides import check_overrides
from btcframe.errors import BtcframeError, ConfigError
from btcframe.plugins import Catalog, discover


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("hydra/lancher=joblib", "Did you mean hydra/launcher?"),
        ("hydra/launcher=null", "chosen by its name"),
        ("~seed", "this cannot be taken away"),
        ("~model.alpha", "Leave it out for its default."),
        ("~model", "Every job has one: model=boosting, model=ensemble,"),
        ("~validation.folds", "this cannot be taken away"),
        ("~features", "Write ~features.book for one of them"),
        ("~features@features.returns", "Write ~features.returns for one of them"),
        ("+model=zero", "Write model=zero."),
        ("+features=book", "Write +features@features.book=book for one more"),
        ("model=null", "chosen by its name"),
        ("features=null", "chosen by its name"),
        ("experiment=null", "chosen by its name"),
        ("model=[ridge,zero]", "'model=ridge,zero' -m"),
        ("model={plugin: zero}", "Write model=zero"),
        ("features.book.plugin=returns", "+features@features.returns=returns"),
        ("verb=bulid", "the command says what to do"),
        ("later=512", "It is a setting of regimes: leave it out."),
        ("regimes=[volatility]", "btcframe train does not look at it"),
        ("warm_start=runs/A", "It is a setting of backtest, run and trade: leave it out."),
        ("=ridge", "names no setting"),
        ("model", "btcframe train model.alpha=3"),
        ("--infoo", "Did you mean --info?"),
        ("--multirum", "Did you mean --multirun?"),
    ],
)
def test_overrides_that_mean_nothing(catalog: Catalog, override: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_overrides(catalog, "train", [override])
    assert expected in str(caught.value)
    assert "command line, 1st override" in str(caught.value) or override.startswith("--")


@pytest.mark.parametrize(
    "arguments",
    [
        ["~features.book"], ["~risk.confidence"], ["features=[]"], ["model=[ridge]"], ["++features.mine={plugin: book}"],
        ["+features@features.fast=returns"],
        ["model=ensemble", "model.members=[ridge,other]", "+model@model.other=zero"], ["model=ridge,zero", "-m"], ["--cfg", "job"], ["--multi", "seed=1,2"],
        ["--cfg=job"], ["hydra.verbose=true"], ["~hydra.job.name"], [],
    ],
    ids=" ".join,
)  # fmt: skip
def test_what_hydra_understands_is_left_to_it(catalog: Catalog, arguments: list[str]) -> None:
    check_overrides(catalog, "train", [*arguments, *(["-m"] if "--multi" in arguments else [])])


def test_a_replay_takes_its_settings_from_its_session(catalog: Catalog) -> None:
    for override in ("model.alpha=3", "policy=passive", "seed=8"):
        with pytest.raises(ConfigError, match="a replay has the settings of its session"):
            check_overrides(catalog, "replay", ["session=runs/x", override])
    check_overrides(catalog, "replay", ["session=runs/x", "hydra.run.dir=y"])


def test_experiments_of_the_users_own_directory(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\nseed: 3\n")
    for flag in (["--config-dir", str(tmp_path)], [f"--config-dir={tmp_path}"], ["-cd", str(tmp_path)]):
        check_overrides(catalog, "train", [*flag, "experiment=mine"])
        with pytest.raises(BtcframeError, match=r"Did you mean experiment=mine\?"):
            check_overrides(catalog, "train", [*flag, "experiment=mien"])
