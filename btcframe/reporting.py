"""The report of a finished run, made from the files it left: right after the run, or again at any later time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from btcframe import truth
from btcframe.audit import digests, load_tables
from btcframe.config import nodes
from btcframe.errors import BtcframeError, DataError, PluginError
from btcframe.plugins import Catalog
from btcframe.report.build_page import build_page
from btcframe.report.conclusion import conclude, not_traded
from btcframe.report.findings import About, Findings, Market, Regimes, Session, View, of_session
from btcframe.report.outcomes import Outcome, Predictions, read_outcomes
from btcframe.report.page import PAGE, save
from btcframe.report.regimes_page import load_found, regimes_page
from btcframe.report.run_page import run_page
from btcframe.report.summary import near, summary
from btcframe.report.thin import extremes
from btcframe.run import load_manifest
from btcframe.session import SESSION, TABLES, instrument_of
from btcframe.session_log import SessionLog
from btcframe.training import PREDICTIONS
from btcframe.types import Ints

TRADED = ("run", "train", "backtest")
"""The verbs whose runs have predictions or a session to report; a build has its columns."""

CLOSE_ROWS = 900
"""Rows of the stretch that is drawn at full resolution: a quarter of an hour at one row a second."""

T = TypeVar("T")


class Reported(NamedTuple):
    """A report that stands in its run's directory."""

    findings: Findings
    page: Path


def report(directory: Path, manifest: Mapping[str, Any], catalog: Catalog) -> Reported:
    """Make the report of a run and write its page into the run's directory.

    Parameters
    ----------
    directory : Path     of the run
    manifest : mapping   its manifest, with its results
    catalog : Catalog    to find its store, and what its components say of themselves

    Raises
    ------
    DataError
        If a run of this verb has nothing to report, or what it left is damaged.
    StoreError
        If the page cannot be written.
    """
    findings = gather(directory, manifest, catalog)
    save(directory / PAGE, run_page(findings))
    return Reported(findings, directory / PAGE)


def report_again(directory: Path, catalog: Catalog) -> Reported:
    """The report of a finished run.

    Raises
    ------
    DataError
        If the directory holds no whole run.
    """
    return report(directory, load_manifest(directory), catalog)


def report_build(directory: Path, manifest: Mapping[str, Any], catalog: Catalog) -> Path:
    """Write the page of a run that made a training table, or found it in the store.

    Raises
    ------
    DataError
        If the store no longer holds the build.
    StoreError
        If the page cannot be written.
    """
    page = build_page(directory.resolve().name, manifest, _build(manifest, catalog))
    save(directory / PAGE, page)
    return directory / PAGE


def report_regimes(directory: Path, manifest: Mapping[str, Any]) -> Path:
    """Write the page of a comparison of regimes.

    Raises
    ------
    DataError
        If its numbers are gone or damaged.
    StoreError
        If the page cannot be written.
    """
    save(directory / PAGE, regimes_page(directory.resolve().name, manifest, load_found(directory)))
    return directory / PAGE


def said_again(directory: Path, catalog: Catalog) -> str:
    """Make the page of any finished run again.

    Returns
    -------
    str
        What there is to say of it, and where the page lies.

    Raises
    ------
    DataError
        If the directory holds no whole run, or one with nothing to report.
    """
    manifest = load_manifest(directory)
    if manifest["verb"] == "build":
        return f"Report: {near(report_build(directory, manifest, catalog))}"
    if manifest["verb"] == "regimes":
        return f"Report: {near(report_regimes(directory, manifest))}"
    return summary(*report(directory, manifest, catalog))


def gather(directory: Path, manifest: Mapping[str, Any], catalog: Catalog) -> Findings:
    """Read what a run left; see `report`. What is missing is named in the findings and stops nothing."""
    verb, config, seed = manifest["verb"], manifest["config"], int(manifest["seed"])
    if verb not in TRADED:
        raise DataError(
            f"{directory} is a {verb}: there is nothing to report",
            hint=f"Sessions and predictions are those of {', '.join(TRADED)}; `btcframe report` tells a build's columns, too.",
            next="Make one: btcframe run",
        )
    results = manifest.get("results", {})
    missing: dict[str, str] = {}
    session = _session(directory, manifest) if "backtest" in results else None
    if session is None:
        missing["session"] = (
            "Nothing was traded: this run is a training. To trade its predictions: btcframe backtest."
        )
    trained, where = _training(directory, manifest, missing)
    training = trained.get("results", {}).get("train") if trained else None
    build = _attempt(missing, "build", lambda: _build(trained, catalog)) if trained else None
    if trained is None:
        missing["build"] = missing["outcomes"]
    symbol = session.instrument.symbol if session else build["symbol"] if build else "?"
    market = Market.of(symbol, config["source"]["plugin"])
    outcomes: list[Outcome] = []
    regimes = None
    views = None
    if trained is not None:

        def read() -> tuple[list[Outcome], Regimes | None, _Views]:
            predictions = Predictions(where)
            found = _outcomes(predictions, training, seed), _regimes(predictions, trained, catalog, missing)
            return *found, _views(session, predictions)

        outcomes, regimes, views = _attempt(missing, "outcomes", read) or (outcomes, regimes, views)
    price, close = views or _views(session, None)
    verdict = not_traded()
    if session:
        verdict = conclude(session.evidence, f"{symbol}, source {market.source}", market.quote, seed=seed)
    return Findings(
        manifest=manifest,
        name=directory.resolve().name,
        market=market,
        verdict=verdict,
        session=session,
        price=price,
        close=close,
        training=training,
        outcomes=outcomes,
        regimes=regimes,
        build=build,
        about=_about(config, catalog),
        missing=missing,
    )


def _attempt(missing: dict[str, str], name: str, make: Callable[[], T]) -> T | None:
    """What `make` gives, or None and the reason: a store may have moved since the run."""
    try:
        return make()
    except BtcframeError as error:
        missing[name] = ". ".join(line.rstrip(".") for line in str(error).splitlines())
        return None


def _session(directory: Path, manifest: Mapping[str, Any]) -> Session:
    instrument = instrument_of(SessionLog(directory / SESSION).header)
    left, found = manifest["results"]["backtest"]["tables"], digests(directory / TABLES)
    changed = [name for name in found if found[name] != left.get(name)]
    if changed:
        raise DataError(
            f"the tables of the session are not those that the run left: {', '.join(changed)} differ",
            where=str(directory / TABLES),
            hint="They were changed or damaged since.",
        )
    tables = load_tables(directory / TABLES)
    cash = float(manifest["config"]["backtest"]["cash"])
    return of_session(tables, instrument, cash, seed=int(manifest["seed"]))


def _training(
    directory: Path, manifest: Mapping[str, Any], missing: dict[str, str]
) -> tuple[Mapping[str, Any] | None, Path]:
    """The manifest of the run that made the predictions, and where they lie."""
    elsewhere = manifest["config"].get("trained")
    if not elsewhere:
        return manifest, directory / PREDICTIONS
    found = _attempt(missing, "outcomes", lambda: load_manifest(Path(elsewhere)))
    if found is None:
        missing["outcomes"] = (
            "The predictions lie with the training that was traded, and it cannot be read: "
            + missing["outcomes"]
        )
    return found, Path(elsewhere) / PREDICTIONS


def _build(trained: Mapping[str, Any], catalog: Catalog) -> Mapping[str, Any]:
    name = trained["results"]["build"]["id"]
    manifest = catalog.build("store", trained["config"]["store"]).builds().get(name)
    if manifest is None:
        raise DataError(f"the store no longer holds build {name}", hint=_store(trained))
    found: Mapping[str, Any] = manifest
    return found


def _store(trained: Mapping[str, Any]) -> str:
    settings = {k: v for k, v in trained["config"]["store"].items() if k != "plugin"}
    return f"The run's store: {trained['config']['store']['plugin']} {settings}."


def _outcomes(predictions: Predictions, training: Mapping[str, Any] | None, seed: int) -> list[Outcome]:
    horizons = [int(m["horizon_ns"]) for m in training["metrics"]] if training else []
    return read_outcomes(predictions, horizons, seed=seed) if horizons else []


def _regimes(
    predictions: Predictions, trained: Mapping[str, Any], catalog: Catalog, missing: dict[str, str]
) -> Regimes | None:
    """Found regimes, against the true ones where a synthetic market told them and they can still be read."""
    if not predictions.regimes:
        return None
    name = trained["results"]["build"]["id"]
    try:
        store = catalog.build("store", trained["config"]["store"])
        known = truth.known(store.builds()[name])
    except (BtcframeError, KeyError):  # without the build there is no truth; `missing` has named it already
        known = False
    names = predictions.regimes
    rows = np.zeros(len(names), np.int64)
    pairs = np.zeros((0, len(names)), np.int64)
    unknown = 0
    for row_ns, index in predictions.regime():
        sure = index >= 0
        unknown += int(np.count_nonzero(~sure))
        rows += np.bincount(index[sure], minlength=len(names))
        told = (
            _attempt(missing, "truth", partial(truth.read_truth, store, name, ["regime"], row_ns))
            if known
            else None
        )
        if told is None:
            known, pairs = False, pairs[:0]
        else:
            true_regime = told["regime"]
            both = sure & np.isfinite(true_regime)
            true = true_regime[both].astype(np.int64)
            if len(true) and true.max() >= len(pairs):
                pairs = np.vstack((pairs, np.zeros((true.max() + 1 - len(pairs), len(names)), np.int64)))
            np.add.at(pairs, (true, index[both]), 1)
    return Regimes(names, rows, unknown, pairs if len(pairs) else None)


_Views = tuple[View | None, View | None]


def _views(session: Session | None, predictions: Predictions | None) -> _Views:
    """The whole price, and a stretch of it."""
    return (_price(session, predictions), _close(session, predictions)) if session else (None, None)


def _price(session: Session, predictions: Predictions | None) -> View | None:
    mid = session.tables["equity"]["mid"]
    return _view(session, predictions, extremes(mid), len(mid)) if len(mid) else None


def _close(session: Session, predictions: Predictions | None) -> View | None:
    """The stretch of `CLOSE_ROWS` with the median round trip in its middle; None where nothing was filled."""
    fills, row_ns = session.tables["fills"], session.tables["equity"]["row_ns"]
    if not len(fills) or len(row_ns) <= CLOSE_ROWS:
        return None
    middle = int(np.searchsorted(row_ns, fills["venue_ns"][len(fills) // 2]))
    start = min(max(middle - CLOSE_ROWS // 2, 0), len(row_ns) - CLOSE_ROWS)
    return _view(session, predictions, np.arange(start, start + CLOSE_ROWS), CLOSE_ROWS)


def _view(session: Session, predictions: Predictions | None, rows: Ints, total: int) -> View:
    ns = session.tables["equity"]["row_ns"][rows]
    regime = predictions.regime_at(ns) if predictions else np.full(len(rows), -1)
    return View(rows, np.where(ns < session.span[0], -1, regime), total)


def _about(config: Mapping[str, Any], catalog: Catalog) -> list[About]:
    found = []
    for slot, path, node in nodes(config):
        if node is None:
            continue
        try:
            doc = catalog.get(slot, node["plugin"]).cls.__doc__ or ""
        except PluginError:
            doc = ""  # no longer installed: the page says so
        settings = {k: v for k, v in node.items() if k != "plugin"}
        found.append(About(path, node["plugin"], doc, settings))
    return found
