"""A session whose model changes while it lasts: promoted from outside, fallen back, refused, noise; each time replayed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from live_sessions import SETTINGS, Moody, Nervous, Place, place

from btcframe.hookspecs import hookimpl
from btcframe.jobs import train as train_job
from btcframe.models.artefacts import read_manifest
from btcframe.models.registry import Registry
from btcframe.plugins import Catalog, discover
from btcframe.run import Run, load_manifest
from btcframe.sections import Promote
from btcframe.session_log import CommandItem, SessionLog
from btcframe.sessions.replaying import play_again
from btcframe.sessions.reporting import gather
from btcframe.sessions.session import SESSION, TABLES
from btcframe.trading.audit import load_tables

from jobs.small import make_run  # isort: skip

KNOWN_SOON = SETTINGS | {"regime": {"plugin": "volatility", "window": 10}}

TRAINING: dict[str, Any] = {
    **KNOWN_SOON,
    "clock": {"plugin": "time", "every": "100ms"},
    "source": {"plugin": "synthetic", "duration": "5m"},
    "validation": {"folds": 2, "embargo": "10s", "min_train": 200, "expanding": True},
}


@dataclass(frozen=True)
class Fragile:
    """Predicts 1 bps, but for rows that are whole: on those it does what it is set to. It is sound when rehearsed.

    Parameters
    ----------
    does : str      raises or nothing
    """

    does: str = "raises"

    def fit(self, data: Any) -> FragilePredictor:
        return FragilePredictor(self.does, data.columns, data.horizons_ns)

    def load(self, directory: Path) -> FragilePredictor:
        head = json.loads((directory / "fragile.json").read_text())
        return FragilePredictor(head["does"], tuple(head["columns"]), tuple(head["horizons_ns"]))


@dataclass(frozen=True)
class FragilePredictor:
    does: str
    columns: tuple[str, ...]
    horizons_ns: tuple[int, ...]

    def predict(self, x: Any, regime: Any, out: Any) -> None:
        out["horizon_ns"] = self.horizons_ns
        for name in ("mean", "p_up", "low", "high"):
            out[name] = np.nan
        out["mean"] = 1.0
        if np.isfinite(x).all() and x.any() and len(x) == 1:  # a live row
            if self.does == "raises":
                raise FloatingPointError("it broke")
            out["mean"] = np.nan

    def save(self, directory: Path) -> None:
        (directory / "fragile.json").write_text(json.dumps(vars(self)))


@pytest.fixture(scope="module")
def found() -> Catalog:
    components = {"policy": {"nervous": Nervous}, "features": {"moody": Moody}, "model": {"fragile": Fragile}}
    plugin = SimpleNamespace(__name__="fragile", btcframe_components=hookimpl(lambda: components))
    return discover([("fragile", plugin)])


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, found: Catalog) -> dict[str, tuple[Path, Any]]:
    """Artefacts of several trainings, by name, and the manifests of their runs."""
    folder, made = tmp_path_factory.mktemp("trainings"), {}
    for name, model in (
        ("ridge", {"plugin": "ridge"}),
        ("raises", {"plugin": "fragile", "does": "raises"}),
        ("nothing", {"plugin": "fragile", "does": "nothing"}),
        ("noise", {"plugin": "mock"}),
        ("other", {"plugin": "ridge"}),
    ):
        more = {"features": {"moody": {"plugin": "moody"}, **SETTINGS["features"]}} if name == "other" else {}
        run = make_run(folder, found, name, verb="train", model=model, **{**TRAINING, **more})
        with run.recorded():
            train_job.main(run)
        for fold in (0, 1):
            made[f"{name}-{fold}"] = run.dir / "models" / f"fold-{fold}", run.manifest
    return made


@dataclass
class Shelf:
    """A registry of a test's own, and sessions that follow its alias."""

    here: Place
    registry: Registry
    kept: dict[str, tuple[Path, Any]]

    def promote(self, name: str) -> str:
        model = self.registry.add(*self.kept[name])
        self.registry.point("production", model, by="test")
        return model

    def session(self, seconds: float, then: Any = lambda run, at: None, **changes: Any) -> Run:
        promote = vars(Promote(registry=str(self.registry.path)))
        trade = {"follow": "20ms"}
        return self.here.session(
            seconds, then, trained="production", promote=promote, trade=trade, **{**KNOWN_SOON, **changes}
        )


@pytest.fixture
def shelf(tmp_path: Path, found: Catalog, kept: dict[str, tuple[Path, Any]]) -> Iterator[Shelf]:
    with place(tmp_path, found) as here:
        yield Shelf(here, Registry(tmp_path / "kept"), kept)


def told(run: Run) -> dict[str, Any]:
    results: dict[str, Any] = load_manifest(run.dir)["results"]["trade"]
    return results


def promotions(run: Run) -> list[dict[str, Any]]:
    items = SessionLog(run.dir / SESSION)
    return [item.data for item in items if isinstance(item, CommandItem) and item.name == "promote"]


def replayed(run: Run) -> None:
    """The same intents, orders, fills and stops; and the same predictions, to the bit."""
    again = play_again(Run(run.dir, run.config, run.catalog), advance=lambda n: None)
    for name, table in load_tables(run.dir / TABLES).items():
        assert getattr(again.audit, name).records.tobytes() == table.tobytes(), name


# ------------------------------------------------------------------------------------------------- from outside


def test_a_promotion_takes_over_and_no_row_is_missed(shelf: Shelf) -> None:
    first = shelf.promote("ridge-0")
    done: list[str] = []

    def then(run: Run, at: float) -> None:
        if at > 0.8 and not done:
            done.append(shelf.promote("ridge-1"))

    run = shelf.session(3.0, then)
    [second] = done
    tables, results = load_tables(run.dir / TABLES), told(run)
    predictions, rows = tables["predictions"], results["counters"]["trader"]["rows"]
    assert len(predictions) == 2 * rows
    of_rows = predictions["row_ns"].reshape(-1, 2)[:, 0]
    assert (np.diff(of_rows) == 100_000_000).all()  # every row, in order
    models = predictions["model"].reshape(-1, 2)[:, 0]
    begun, taken = tables["promotions"]
    assert (models == np.where(of_rows < taken["row_ns"], begun["model"], taken["model"])).all()
    assert 0 < (models == taken["model"]).sum() < rows and begun["model"] != taken["model"]
    after = predictions[predictions["row_ns"] >= taken["row_ns"]]
    assert np.isfinite(after["mean"]).all()
    assert [text[:12] for text in results["models"]] == [first, second]
    whole = promotions(run)
    assert [data.get("why", "") for data in whole] == ["", "promoted to production"]
    assert results["counters"]["models"] | {"looks": 0} == {
        "fallen": 0,
        "looks": 0,
        "promoted": 1,
        "refused": 0,
    }
    assert (results["model"]["step"], results["model"]["digest"][:12]) == ("production", second)
    assert results["model"]["note"].startswith("too few rows yet: ")
    assert [ic["labels"] for ic in results["model"]["ic"]] == [0, 0]  # 15 s have not passed
    assert f"it follows production, which is {first}" in shelf.here.said(run)
    assert "promoted 1 time" in shelf.here.said(run)
    told_again = gather(run.dir, load_manifest(run.dir), run.catalog)
    assert told_again.missing["outcomes"].endswith("btcframe models show production")
    replayed(run)


def test_an_alias_that_moves_again_and_again(shelf: Shelf) -> None:
    names = ["ridge-0", "ridge-1", "noise-0"]
    shelf.promote(names[0])
    moved = [0.0]

    def then(run: Run, at: float) -> None:
        if at > moved[-1] + 0.2:
            shelf.promote(names[len(moved) % 3])
            moved.append(at)

    run = shelf.session(3.0, then)
    tables, results = load_tables(run.dir / TABLES), told(run)
    assert len(tables["predictions"]) == 2 * results["counters"]["trader"]["rows"]
    assert (np.diff(tables["predictions"]["row_ns"][::2]) == 100_000_000).all()
    assert len(tables["promotions"]) >= 4 and len(results["models"]) == 3
    by_digest = {(told["digest"], told["model"]) for told in tables["promotions"]}
    assert len(by_digest) == 3  # a model that comes back has the number it had
    noise = tables["intents"]["model"] == next(
        n for digest, n in by_digest if digest.decode() == noise_digest(shelf)
    )
    assert (np.char.startswith(tables["intents"]["reason"], b"mock: ") == noise).all()
    replayed(run)


def noise_digest(shelf: Shelf) -> str:
    return str(read_manifest(shelf.kept["noise-0"][0])["digest"])


def test_a_model_that_does_not_fit_is_refused_and_the_present_one_stays(shelf: Shelf) -> None:
    first = shelf.promote("ridge-0")
    done: list[str] = []

    def then(run: Run, at: float) -> None:
        if at > 0.5 and not done:
            done.append(shelf.promote("other-0"))

    run = shelf.session(2.5, then)
    results = told(run)
    assert [text[:12] for text in results["models"]] == [first] and len(promotions(run)) == 1
    assert results["counters"]["models"]["refused"] == 1 and results["state"] == "active"
    assert (
        results["model"]["refused"].startswith(f"{done[0]}: ")
        and "features.moody" in results["model"]["refused"]
    )
    assert "a promotion was refused" in run.console.shown  # type: ignore[attr-defined]
    assert (load_tables(run.dir / TABLES)["predictions"]["model"] == 0).all()
    replayed(run)


# ------------------------------------------------------------------------------------------------------ falling


def test_a_model_that_raises_gives_way_to_the_one_before_it(shelf: Shelf) -> None:
    before, bad = shelf.promote("ridge-0"), shelf.promote("raises-0")
    run = shelf.session(2.5)
    results, tables = told(run), load_tables(run.dir / TABLES)
    assert [text[:12] for text in results["models"]] == [bad, before]
    assert [data.get("why", "") for data in promotions(run)] == ["", "FloatingPointError: it broke"]
    [stop] = tables["stops"]  # at once, until the other one took over
    assert stop["code"] == b"contained.model" and stop["row_ns"] < tables["promotions"]["row_ns"][1]
    assert results["state"] == "active" and results["contained"] == {}
    assert (
        results["model"]["step"] == "previous" and results["model"]["why"] == "FloatingPointError: it broke"
    )
    assert results["counters"]["models"]["fallen"] == 1
    fallen_ns = tables["promotions"]["row_ns"][1]
    after = tables["predictions"][tables["predictions"]["row_ns"] >= fallen_ns]
    assert len(after) and (after["model"] == tables["promotions"]["model"][1]).all()
    sent = tables["intents"][tables["intents"]["row_ns"] > fallen_ns]
    assert (sent["sent_lots"] > 0).any()  # it trades again
    assert "the previous model predicts: FloatingPointError: it broke" in run.console.shown  # type: ignore[attr-defined]
    status = json.loads((run.dir / "status.json").read_text())
    assert (status["signals"]["step"], status["model"]["step"]) == ("previous", "previous")
    assert "fallen 1 time" in shelf.here.said(run)
    replayed(run)


def test_a_model_that_goes_blind_with_none_before_it_ends_the_trading_until_it_is_resumed(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("btcframe.models.production.BLIND", 10)
    shelf.promote("nothing-0")
    seen: list[float] = []

    def then(run: Run, at: float) -> None:
        if "contained.model" in run.console.shown:  # type: ignore[attr-defined]
            seen.append(at)
            if at > seen[0] + 0.7:
                (run.dir / "resume.json").touch()

    run = shelf.session(4.0, then)
    results, tables = told(run), load_tables(run.dir / TABLES)
    whys = [data.get("why", "") for data in promotions(run)]
    assert seen and whys[:3] == [
        "",
        "it predicted nothing for 10 rows whose columns were all there",
        "another try: resumed",
    ]
    fallen, again = tables["promotions"][1:3]
    assert (fallen["model"], fallen["digest"], again["model"]) == (-1, b"", 0)
    assert tables["stops"]["code"][0] == b"contained.model"
    equity = tables["equity"]
    # the first row's orders may still have been on their way
    between = (equity["row_ns"] > fallen["row_ns"] + 100_000_000) & (equity["row_ns"] < again["row_ns"])
    held = np.abs(equity["position_lots"][between])
    assert between.any() and (np.diff(held) <= 0).all()
    blind = tables["predictions"]["row_ns"] < fallen["row_ns"]
    assert np.isnan(tables["predictions"]["mean"][blind]).sum() >= 2 * 10
    assert results["counters"]["models"]["fallen"] >= 1
    replayed(run)


# -------------------------------------------------------------------------------------------------------- noise


def test_a_mock_is_labelled_wherever_it_speaks(shelf: Shelf) -> None:
    shelf.promote("noise-0")
    run = shelf.session(1.5)
    intents = load_tables(run.dir / TABLES)["intents"]
    assert len(intents) and all(reason.startswith(b"mock: ") for reason in intents["reason"])
    [promotion] = promotions(run)
    assert promotion["mock"] is True and told(run)["model"]["mock"] is True
    assert run.console.shown.startswith("MOCK: the predictions are noise")  # type: ignore[attr-defined]
    said = shelf.here.said(run)
    assert (
        ", a MOCK: its predictions are noise" in said and "Model at the end: MOCK, noise: production" in said
    )
    signals = json.loads((run.dir / "status.json").read_text())["signals"]
    assert signals["mock"] is True and signals["step"] == "production" and signals["model_age_ns"] > 0
    replayed(run)
