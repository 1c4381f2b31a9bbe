"""The report of a finished run, made from the files it left: right after the run, or again at any later time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from btcframe import truth
from btcframe.config import nodes
from btcframe.errors import BtcframeError, DataError, ModelError, PluginError
from btcframe.learning.predictions import PREDICTIONS
from btcframe.models.artefacts import read_manifest
from btcframe.models.members import inside
from btcframe.plugins import Catalog
from btcframe.report.beside import Beside, beside
from btcframe.report.build_page import build_page
from btcframe.report.conclusion import conclude, not_traded, place
from btcframe.report.findings import About, Findings, Market, Regimes, Session, View, of_session
from btcframe.report.outcomes import Outcome, Predictions, read_outcomes
from btcframe.report.page import PAGE, save
from btcframe.report.regimes_page import load_found, regimes_page
from btcframe.report.run_page import run_page
from btcframe.report.summary import near, summary
from btcframe.report.thin import extremes
from btcframe.run import Console, Run, load_manifest
from btcframe.scratch import pieces
from btcframe.session_log import SessionLog
from btcframe.sessions.predictors import is_run
from btcframe.sessions.sensitivity import load_varied, vary
from btcframe.sessions.session import SESSION, TABLES, instrument_of, since_known, starting
from btcframe.trading.audit import digests, load_tables
from btcframe.types import Instrument, Ints, StateArray

TRADED = ("run", "train", "backtest", "trade")
"""The verbs whose runs have predictions or a session to report; a build has its columns."""

CLOSE_ROWS = 900
"""Rows of the stretch that is drawn at full resolution: a quarter of an hour at one row a second."""

T = TypeVar("T")


class Reported(NamedTuple):
    """A report that stands in its run's directory."""

    findings: Findings
    page: Path


def report(
    directory: Path, manifest: Mapping[str, Any], catalog: Catalog, *, other: Path | None = None
) -> Reported:
    """Make the report of a run and write its page into the run's directory.

    Parameters
    ----------
    directory : Path          of the run
    manifest : mapping        its manifest, with its results
    catalog : Catalog         to find its store, and what its components say of themselves
    other : Path, optional    of another run on the same market, which is laid over this one

    Raises
    ------
    DataError
        If a run of this verb has nothing to report, what it left is damaged, or the other run cannot be laid over it.
    StoreError
        If the page cannot be written.
    """
    findings = gather(directory, manifest, catalog, other=other)
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
    page = build_page(_name(directory), manifest, _build(manifest, catalog))
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
    save(directory / PAGE, regimes_page(_name(directory), manifest, load_found(directory)))
    return directory / PAGE


def said_again(directory: Path, catalog: Catalog, *, other: Path | None = None) -> str:
    """Make the page of any finished run again; `other`: with another run laid over it.

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
    if other is not None and traded(manifest.get("results", {})) is None:
        raise DataError(f"nothing was traded in {directory}: no run can be laid over it")
    if manifest["verb"] == "build":
        return f"Report: {near(report_build(directory, manifest, catalog))}"
    if manifest["verb"] == "regimes":
        return f"Report: {near(report_regimes(directory, manifest))}"
    return summary(*report(directory, manifest, catalog, other=other))


def vary_again(directory: Path, catalog: Catalog, console: Console) -> None:
    """Play the session of a finished run again at other venues, for its page; see `sensitivity.vary`.

    Raises
    ------
    DataError
        If the directory holds no whole run, or one in which nothing was traded.
    """
    manifest = load_manifest(directory)
    if traded(manifest.get("results", {})) is None:
        raise DataError(f"nothing was traded in {directory}: there is no session to play at other venues")
    vary(Run(directory, manifest["config"], catalog, console))


def gather(
    directory: Path, manifest: Mapping[str, Any], catalog: Catalog, *, other: Path | None = None
) -> Findings:
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
    session = _session(directory, manifest) if traded(results) else None
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
    if trained is not None:

        def read() -> tuple[list[Outcome], Regimes | None]:
            predictions = Predictions(where)
            return _outcomes(predictions, training, seed), _regimes(predictions, trained, catalog, missing)

        outcomes, regimes = _attempt(missing, "outcomes", read) or (outcomes, regimes)
    folds = [where.parent / fold["artefact"] for fold in training["folds"]] if training else []
    members = _attempt(missing, "members", lambda: inside(folds, catalog))
    price, close = _views(session)
    verdict = not_traded()
    if session:
        told = f"{symbol}, source {market.source}"
        verdict = conclude(session.evidence, told, market.money, seed=seed, at=place(config["venue"]))
    return Findings(
        manifest=manifest,
        name=_name(directory),
        market=market,
        verdict=verdict,
        session=session,
        price=price,
        close=close,
        training=training,
        outcomes=outcomes,
        members=members or (),
        regimes=regimes,
        build=build,
        about=_about(config, catalog),
        beside=_beside(session, other) if session and other else None,
        varied=_attempt(missing, "sensitivity", partial(load_varied, directory)) if session else None,
        missing=missing,
    )


def _name(directory: Path) -> str:
    """What a run is called on its page; a member of a sweep, which is but a number, with its sweep."""
    path = directory.resolve()
    return f"{path.parent.name}/{path.name}" if path.name.isdecimal() else path.name


def _attempt(missing: dict[str, str], name: str, make: Callable[[], T]) -> T | None:
    """What `make` gives, or None and the reason: a store may have moved since the run."""
    try:
        return make()
    except BtcframeError as error:
        missing[name] = ". ".join(line.rstrip(".") for line in str(error).splitlines())
        return None


def traded(results: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What a run's results say of its session: a backtest or a session of paper; None without."""
    told: Mapping[str, Any] | None = results.get("backtest") or results.get("trade")
    return told


def _session(directory: Path, manifest: Mapping[str, Any]) -> Session:
    tables, instrument = tables_of(directory, manifest)
    cash = starting(directory, manifest["config"], tables)
    names = _regime_names(directory, tables)
    return of_session(tables, instrument, cash, seed=int(manifest["seed"]), regimes=names)


def tables_of(directory: Path, manifest: Mapping[str, Any]) -> tuple[dict[str, StateArray], Instrument]:
    """The tables of a session; its equity from the first row on that has one.

    Raises
    ------
    DataError
        If nothing was traded in the run, or its tables are not those that it left.
    """
    told = traded(manifest.get("results", {}))
    if told is None:
        raise DataError(f"{directory} is a {manifest['verb']}: nothing was traded in it")
    instrument = instrument_of(SessionLog(directory / SESSION).header)
    left, found = told["tables"], digests(directory / TABLES)
    changed = [name for name in found if found[name] != left.get(name)]
    if changed:
        raise DataError(
            f"the tables of the session are not those that the run left: {', '.join(changed)} differ",
            where=str(directory / TABLES),
            hint="They were changed or damaged since.",
        )
    return since_known(load_tables(directory / TABLES)), instrument


def _regime_names(directory: Path, tables: Mapping[str, StateArray]) -> tuple[str, ...]:
    """Names of the regimes of a session's models; numbers where no model lies where it lay."""
    for name in dict.fromkeys(tables["promotions"]["name"].tolist()):
        with contextlib.suppress(ModelError):
            return tuple(read_manifest(directory / name.decode(errors="replace"))["regimes"])
    equity = tables["equity"]
    most = max((int(equity["regime"][part].max()) for part in pieces(len(equity), equity)), default=-1)
    return tuple(str(k) for k in range(most + 1))


def _beside(session: Session, other: Path) -> Beside:
    """Another run, laid over this session."""
    manifest = load_manifest(other)
    tables, instrument = tables_of(other, manifest)
    return beside(
        session.tables, tables, session.instrument, instrument,
        name=_name(other), verb=manifest["verb"], venue=manifest["config"]["venue"]["plugin"],
    )  # fmt: skip


def _training(
    directory: Path, manifest: Mapping[str, Any], missing: dict[str, str]
) -> tuple[Mapping[str, Any] | None, Path]:
    """The manifest of the run that made the predictions, and where they lie."""
    elsewhere = manifest["config"].get("trained")
    if not elsewhere and manifest["verb"] == "trade":
        missing["outcomes"] = "The session had no model: nothing was predicted in it."
        return None, directory
    if not elsewhere:
        return manifest, directory / PREDICTIONS
    if not is_run(Path(elsewhere)):
        missing["outcomes"] = (
            f"{elsewhere} is no run here. What a model of the registry is worth: btcframe models show {elsewhere}"
        )
        return None, directory
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


def _views(session: Session | None) -> tuple[View | None, View | None]:
    """The whole price, and a stretch of it."""
    if session is None:
        return None, None
    mid = session.tables["equity"]["mid"]
    return _view(session, extremes(mid), len(mid)) if len(mid) else None, _close(session)


def _close(session: Session) -> View | None:
    """The stretch of `CLOSE_ROWS` with the median round trip in its middle; None where nothing was filled."""
    fills, row_ns = session.tables["fills"], session.tables["equity"]["row_ns"]
    if not len(fills) or len(row_ns) <= CLOSE_ROWS:
        return None
    middle = int(np.searchsorted(row_ns, fills["venue_ns"][len(fills) // 2]))
    start = min(max(middle - CLOSE_ROWS // 2, 0), len(row_ns) - CLOSE_ROWS)
    return _view(session, np.arange(start, start + CLOSE_ROWS), CLOSE_ROWS)


def _view(session: Session, rows: Ints, total: int) -> View:
    return View(rows, session.tables["equity"]["regime"][rows].astype(np.int64), total)


def _about(config: Mapping[str, Any], catalog: Catalog) -> list[About]:
    found = []
    for slot, path, node in (each for each in nodes(config) if each[2] is not None):
        settings = {k: v for k, v in node.items() if k != "plugin"}
        try:
            doc = catalog.get(slot, node["plugin"]).cls.__doc__ or ""
        except PluginError:
            doc = ""  # no longer installed: the page says so
        found.append(About(path, node["plugin"], doc, settings))
    return found
