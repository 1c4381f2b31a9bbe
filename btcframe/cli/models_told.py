"""Models in words, for a terminal of 80 columns, and as plain values."""

from __future__ import annotations

import datetime
import itertools
import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from btcframe.errors import PluginError
from btcframe.learning.promotion import Candidate
from btcframe.models.gate import Refusal
from btcframe.models.promotions import DIGITS, Promoted
from btcframe.models.registry import Entry
from btcframe.plugins import Catalog
from btcframe.types import DAY, duration_name

WIDTH = 80

_SCORES = {
    "ic": ("IC", 4), "rank_ic": ("rank IC", 4), "hit_rate": ("hits", 3), "r2": ("R²", 5),
    "r2_persistence": ("R² against persistence", 5), "ic_gap": ("IC less persistence's", 4), "paid": ("profit ratio", 3),
}  # fmt: skip
"""What is told of a horizon: the name of a score, and its digits."""

_COMPARED = ("ic", "rank_ic", "hit_rate", "r2")
_DECIDED_BY = ("build", "symbol", "clock", "features", "select", "regime", "label", "model", "seed")
"""What of an artefact's manifest decides its bits."""


def aliases_of(model: str, aliases: Mapping[str, str]) -> list[str]:
    """The aliases that point to a model."""
    return [alias for alias, to in aliases.items() if to == model]


def trained_until(manifest: Mapping[str, Any]) -> int | None:
    """The end of the rows that an artefact was fitted on, ns; None where it does not tell."""
    until: int | None = (manifest.get("fold") or manifest).get("train_end_ns")
    return until


# ---------------------------------------------------------------------------------------------------------- list


def listed(entry: Entry, aliases: Mapping[str, str], now_ns: int) -> list[str]:
    """A model in a few lines: what it is, until when and by whom it was trained, what it is worth."""
    named = "  ".join([entry.model, *aliases_of(entry.model, aliases)])
    if entry.damage:
        return [named, *_wrapped(entry.damage, "  ")]
    manifest = entry.manifest
    lines = [f"{named}  {manifest['model']['plugin']} on {manifest.get('symbol', 'an unknown market')}"]
    until = trained_until(manifest)
    lines.append(f"  until {_time(until)}, {_age(until, now_ns)}, by {entry.run.get('id', 'an unknown run')}")
    worth = entry.run.get("worth", ())
    lines += [
        f"  {_ahead(one):<7} IC {_estimate(one, 'ic'):<26} R² {_estimate(one, 'r2')}".rstrip()
        for one in worth
    ]
    if not worth:
        ahead = ", ".join(duration_name(ns) for ns in manifest["horizons_ns"])
        lines.append(f"  {ahead}: its run does not tell what it is worth")
    return lines


def plain_entry(entry: Entry, aliases: Mapping[str, str]) -> dict[str, Any]:
    """The same for a script."""
    manifest = entry.manifest
    return {
        "model": entry.model,
        "aliases": aliases_of(entry.model, aliases),
        "plugin": manifest["model"]["plugin"] if manifest else None,
        "symbol": manifest.get("symbol"),
        "trained_until_ns": trained_until(manifest),
        "run": entry.run.get("id"),
        "horizons": [
            {"horizon_ns": one["horizon_ns"]} | {name: one["scores"][name] for name in _SCORES}
            for one in entry.run.get("worth", ())
        ],
        "damage": entry.damage,
    }


# ---------------------------------------------------------------------------------------------------------- show


def shown(
    found: Candidate,
    aliases: Mapping[str, str],
    history: Sequence[Promoted],
    refusal: Refusal | None,
    catalog: Catalog,
    now_ns: int,
) -> list[str]:
    """Everything about a model that a person wants."""
    manifest, run = found.manifest, found.manifest.get("run", {})
    model, until = manifest["digest"][:DIGITS], trained_until(manifest)
    fold = manifest.get("fold")
    since = (fold or manifest).get("train_start_ns")
    git = run.get("git") or {}
    lines = [
        " · ".join([model, *aliases_of(model, aliases)]),
        *_line("model", _node(manifest["model"])),
        *_line("market", f"{manifest.get('symbol', 'unknown')}, {_node(manifest.get('clock', {}))}"),
        *_line("label", _node(manifest.get("label", {}))),
        *_line("regime", f"{_node(manifest['regime'])}: {', '.join(manifest['regimes'])}"),
        *_line("fitted on", f"{_time(since)} to {_time(until)} UTC, {_age(until, now_ns)}"),
        *_line("", "all rows of its run" if fold is None else f"the rows of fold {fold['index']}"),
        *_line("build", manifest.get("build", "unknown")),
        *_line("run", str(run.get("id", found.told.get("id", "unknown")))),
        *_line("made by", ", ".join([f"btcframe {run.get('btcframe', 'unknown')}", *_versions(run)])),
        *_line(
            "code", ", ".join(f"{name} {digest[:DIGITS]}" for name, digest in run.get("code", {}).items())
        ),
        *_line("commit", f"{git['commit'][:DIGITS]}{', with changes' * git['dirty']}" if git else ""),
        *_line("files", str(found.artefact)),
        "",
    ]
    worth = found.told.get("worth", ())
    for one in worth:
        lines.append(f"{_ahead(one)} ahead, out of sample")
        lines += [f"  {name:<24} {_estimate(one, score)}" for score, (name, _) in _SCORES.items()]
        if (baseline := one.get("persistence")) is not None:
            lines.append(f"  {'IC of persistence':<24} {_numbers(baseline['ic'], 4)}")
    if not worth:
        lines.append("Its run does not tell what it is worth.")
    gate = "It passes the gate." if refusal is None else f"The gate refuses it. {refusal}"
    lines += ["", *_wrapped(gate, ""), ""]
    lines.append(f"{len(manifest['columns'])} features, {manifest['features_hash'][:DIGITS]}")
    for component, columns in _grouped(manifest, catalog):
        lines += _line(component, ", ".join(columns))
    lines += ["", "Promotions" if history else "It was never promoted, nor refused."]
    for promoted in history:
        lines += _wrapped(_promotion(promoted), "  ")
    return lines


def _grouped(manifest: Mapping[str, Any], catalog: Catalog) -> Iterator[tuple[str, list[str]]]:
    """The columns a model takes by the component they come from; those of components that are not installed last."""
    left = dict.fromkeys(manifest["columns"])
    for name, node in manifest.get("features", {}).items():
        try:
            columns = {
                column.name for column in catalog.build("features", node, f"features.{name}").columns()
            }
        except PluginError:
            continue
        if mine := [column for column in left if column in columns]:
            yield name, mine
            for column in mine:
                del left[column]
    if left:
        yield "not installed", list(left)


def _versions(run: Mapping[str, Any]) -> list[str]:
    packages = run.get("packages", {})
    known = [f"{name} {packages[name]}" for name in ("numpy", "scikit-learn", "numba") if name in packages]
    return [f"python {run['python']}", *known] if "python" in run else known


def _promotion(promoted: Promoted) -> str:
    if promoted.refused:
        return f"{promoted.at} {promoted.by}: not to {promoted.alias}. {promoted.reason}"
    forced = f", forced: {promoted.reason}" if promoted.forced else ""
    before = f", after {promoted.before}" if promoted.before else ""
    return f"{promoted.at} {promoted.by}: to {promoted.alias}{before}{forced}"


# ------------------------------------------------------------------------------------------------------- compare


def compared(found: Sequence[Candidate], aliases: Mapping[str, str]) -> list[str]:
    """Metrics of several models side by side, what may be said of them, and what they were made with."""
    letters = [chr(ord("A") + i) for i in range(len(found))]
    lines = []
    for letter, one in zip(letters, found, strict=True):
        model = one.manifest["digest"][:DIGITS]
        named = "  ".join([f"{letter}  {model}", *aliases_of(model, aliases)])
        lines.append(f"{named}  {one.manifest['model']['plugin']} on {one.manifest.get('symbol', 'unknown')}")
    for horizon_ns, worths in _by_horizon(found):
        lines += ["", f"{duration_name(horizon_ns)} ahead"]
        for score in _COMPARED:
            for letter, worth in zip(letters, worths, strict=True):
                lines.append(
                    f"  {_SCORES[score][0]:<8} {letter}  {_estimate(worth, score) if worth else 'not predicted'}"
                )
        lines += [f"  {said}" for said in _said(letters, worths)]
    same = _same_rows(found)
    lines += ["", *_wrapped(_SAME if same else _OTHER, "")]
    differences = list(_differences(found))
    lines += ["", "Made with" if differences else "Made with the same settings on the same build."]
    for name, values in differences:
        lines += [f"  {name}"]
        lines += itertools.chain.from_iterable(
            _wrapped(f"{letter}  {value}", "    ") for letter, value in zip(letters, values, strict=True)
        )
    return lines


_SAME = (
    "Judged on the same rows. Intervals that do not overlap tell two models apart; intervals that overlap leave it "
    "open, and do not say that the two are equal."
)
_OTHER = (
    "Judged on different rows: a difference may be the market's and not the models'. To compare models, train them on "
    "the same build."
)


def plain_comparison(found: Sequence[Candidate]) -> dict[str, Any]:
    """The same for a script."""
    letters = [one.manifest["digest"][:DIGITS] for one in found]
    return {
        "models": letters,
        "same_rows": _same_rows(found),
        "horizons": [
            {
                "horizon_ns": horizon_ns,
                "scores": [worth and {name: worth["scores"][name] for name in _SCORES} for worth in worths],
                "said": list(_said(letters, worths)),
            }
            for horizon_ns, worths in _by_horizon(found)
        ],
        "differences": dict(_differences(found)),
    }


def _by_horizon(found: Sequence[Candidate]) -> Iterator[tuple[int, list[Mapping[str, Any] | None]]]:
    """For each horizon that any of them predicts, what each is worth there."""
    by = [{worth["horizon_ns"]: worth for worth in one.told.get("worth", ())} for one in found]
    for horizon_ns in sorted(set().union(*by)):
        yield horizon_ns, [worths.get(horizon_ns) for worths in by]


def _said(letters: Sequence[str], worths: Sequence[Mapping[str, Any] | None]) -> Iterator[str]:
    """What the intervals of the IC allow to be said of the first and each of the others."""
    known = [
        (letter, worth["scores"]["ic"])
        for letter, worth in zip(letters, worths, strict=True)
        if worth and worth["scores"]["ic"]["low"] is not None
    ]
    for (one, a), (other, b) in itertools.combinations(known, 2):
        if a["low"] > b["high"]:
            yield f"{one}'s IC is above {other}'s: their intervals do not overlap."
        elif b["low"] > a["high"]:
            yield f"{other}'s IC is above {one}'s: their intervals do not overlap."
        else:
            yield f"{one} and {other} cannot be told apart by IC: their intervals overlap."


def _same_rows(found: Sequence[Candidate]) -> bool:
    """Whether all were judged on the same test windows of one build."""
    judged = [
        (
            one.manifest.get("build"),
            [(f["test_start_ns"], f["test_end_ns"]) for f in one.told.get("folds", ())],
        )
        for one in found
    ]
    return all(windows and (build, windows) == judged[0] for build, windows in judged)


def _differences(found: Sequence[Candidate]) -> Iterator[tuple[str, list[str]]]:
    """Settings in which they differ, each with everyone's value; of two components the whole of each."""
    flat = [{key: one.manifest.get(key) for key in _DECIDED_BY} for one in found]
    for slot in ("clock", "regime", "label", "model"):
        nodes = [settings[slot] or {} for settings in flat]
        if len({node.get("plugin") for node in nodes}) > 1:
            yield slot, [_node(node) for node in nodes]
            for settings in flat:
                del settings[slot]
    flat = [dict(_flat(settings)) for settings in flat]
    for name in dict.fromkeys(itertools.chain.from_iterable(flat)):
        values = [
            json.dumps(settings[name], ensure_ascii=False) if name in settings else "none"
            for settings in flat
        ]
        if len(set(values)) > 1:
            yield name, values


def _flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


# --------------------------------------------------------------------------------------------------------- words


def _line(name: str, text: str) -> list[str]:
    """A name and a text beside it, in as many lines as it takes; none without a text."""
    if not text:
        return []
    lead = f"  {name:<12} "
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=lead,
        subsequent_indent=" " * 15,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _wrapped(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent + "  " * bool(indent), break_on_hyphens=False,
        break_long_words=False,
    )  # fmt: skip


def _node(node: Mapping[str, Any]) -> str:
    """A component and its settings: ridge(alpha=1.0)."""
    settings = ", ".join(
        f"{name}={_node(value) if isinstance(value, Mapping) and 'plugin' in value else _value(value)}"
        for name, value in node.items()
        if name != "plugin"
    )
    return f"{node.get('plugin', 'unknown')}{f'({settings})' if settings else ''}"


def _value(value: Any) -> str:
    return f"[{', '.join(map(_value, value))}]" if isinstance(value, list) else str(value)


def _ahead(worth: Mapping[str, Any]) -> str:
    return duration_name(worth["horizon_ns"])


def _estimate(worth: Mapping[str, Any], score: str) -> str:
    return _numbers(worth["scores"][score], _SCORES[score][1])


def _numbers(estimate: Mapping[str, float | None], digits: int) -> str:
    """-0.0123 [-0.0145, 0.0101], without brackets where there is no interval."""
    value, low, high = (estimate[key] for key in ("value", "low", "high"))
    if value is None:
        return "unknown"
    interval = "" if low is None or high is None else f" [{low:.{digits}f}, {high:.{digits}f}]"
    return f"{value:.{digits}f}{interval}"


def _time(ns: int | None) -> str:
    if ns is None:
        return "unknown"
    return f"{datetime.datetime.fromtimestamp(ns // 1_000_000_000, datetime.UTC):%Y-%m-%d %H:%M}"


def _age(ns: int | None, now_ns: int) -> str:
    if ns is None:
        return "of unknown age"
    hours, days = (now_ns - ns) // 3_600_000_000_000, (now_ns - ns) // DAY
    return f"{days:,} d ago" if days else f"{hours} h ago"
