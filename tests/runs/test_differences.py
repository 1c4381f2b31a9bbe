"""In what two runs differ."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from small_runs import CONFIG, changed, traded

from btcframe.run import manifest_of
from btcframe.runs.differences import differences, made_differently
from btcframe.runs.told import WIDTH, differing, shown


def test_only_what_is_not_the_same_is_told(tmp_path: Path) -> None:
    returns = np.full(10, 1e-3)
    one = manifest_of(traded(tmp_path / "a", returns))
    same = manifest_of(traded(tmp_path / "b", returns, config_hash="x", id="y"))
    assert [*differences(one, same)] == [{}, {}, {}, {}]
    other = manifest_of(
        traded(
            tmp_path / "c", returns * 2, changed(CONFIG, model__alpha=3.0, seed=8), git={"commit": "00" * 20, "dirty": True},
            packages={"numpy": "2.1", "scipy": "1.0"}, machine={"cpu": "two", "cores": 2},
        )
    )  # fmt: skip
    found = differences(one, other)
    assert found.config == {"seed": (7, 8), "model.alpha": (1.0, 3.0)}
    assert found.data == {}
    assert found.code == {
        "git.commit": ("cd" * 20, "00" * 20), "git.dirty": (False, True), "machine.cpu": ("one", "two"),
        "packages.numpy": ("2.0", "2.1"), "packages.scipy": (None, "1.0"),
    }  # fmt: skip
    assert set(found.metrics) == {"net"}
    assert made_differently(one, one) == {}
    lines = differing(found, ("runs/a", "runs/c"))
    assert max(map(len, lines)) <= WIDTH
    text = "\n".join(lines)
    for expected in (
        "A  runs/a",
        "data: the same",
        "  model.alpha  1 → 3  (+2.00)",
        "  packages.scipy  none → 1.0",
        "  git.commit  cdcdcdcdcdcd → 000000000000",
    ):
        assert expected in text, expected


def test_data_and_rows_are_told(tmp_path: Path) -> None:
    one, other = (
        manifest_of(
            traded(tmp_path / name, [0.0], results={"build": {"id": "b1", "symbol": "BTC/USDT:USDT", "rows": rows, "data": "aa"}})
        )
        for name, rows in (("a", 5), ("b", 6))
    )  # fmt: skip
    assert differences(one, other).data == {"build.rows": (5, 6)}


def test_show_tells_everything_in_eighty_columns(tmp_path: Path) -> None:
    run = traded(tmp_path / "a", np.full(10, 1e-3))
    lines = shown(run, manifest_of(run))
    text = "\n".join(lines)
    for expected in (
        "  complete",
        "btcframe run model=ridge hydra.run.dir=x",
        "b1, 11 rows of BTC/USDT:USDT",
        "cdcdcdcdcdcd",
        "efefefefefef",
        "  net                      10",
        "  machine                  one, 2 cores",
        "seconds",
    ):
        assert expected in text, expected
