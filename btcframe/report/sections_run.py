"""The parts of a report about the run itself: rows left out, assumptions, and what made it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from btcframe.report.elements import Child, Html, join, paragraphs, stacked, table, tag
from btcframe.report.findings import About, Findings
from btcframe.report.page import Section, empty, folded
from btcframe.report.prose import prose
from btcframe.report.words import counted, percent, span_text
from btcframe.types import duration_name

REASONS = {
    "PARTIAL": "the book became valid within the row: its flow is unknown (weight ½ at most)",
    "GAP": "the feed lost something: no book until the next snapshot (weight 0)",
    "CROSSED": "best bid at or above best ask (weight 0)",
    "ONE_SIDED": "a side of the book was empty (weight 0)",
    "THIN": "a side had fewer than 20 levels",
    "SNAPSHOT_FLOW": "the source sends snapshots only: flow compares consecutive ones",
    "RESNAPSHOT": "a snapshot replaced a valid book; it made no flow (weight ½ at most)",
    "FLOW_CUT": "a message changed more prices than are tracked: added and removed volume unknown",
    "NO_EVENTS": "nothing happened in the row; the book stood still (of a bar: nobody traded, weight ½)",
    "BAR": "a bar of trades: no book, its price is the last trade's",
    "STALE": "the last book message was older than is usual (weight below 1)",
    "LATE": "what was consumed last came later than is usual (weight below 1)",
}
"""What each row flag means, for a reader."""

ASSUMED = ("venue", "label", "policy", "model", "source")
"""Slots whose own words are assumptions of the result."""


def sections(found: Findings) -> Iterator[Section]:
    """Rows, assumptions, run."""
    yield Section("rows", "Rows left out", _rows(found))
    yield Section("assumptions", "Assumptions", _assumptions(found))
    yield Section("run", "The run", _run(found))


def _rows(found: Findings) -> Html:
    if found.build is None:
        return join(
            empty(f"The training table cannot be read, so its rows cannot be told: {found.missing['build']}"),
            _folds(found),
        )
    return join(rows_of(found.build), _folds(found), _unpredicted(found))


def rows_of(build: Mapping[str, Any]) -> Html:
    """Rows of a build and why some are not like the others."""
    s = build["summary"]
    total = s["rows"]
    rows: list[tuple[Child, ...]] = [
        ("All rows", f"{total:,}", f"{span_text(s['last_ns'] - s['first_ns'])} of the market"),
        ("Warm-up", f"{s['warmup']:,}", "leading rows, until every feature is known"),
        ("Unusable", f"{s['unusable']:,}", "no mid: never trained on (weight 0)"),
    ]
    rows += [
        (stacked("Flagged", flag), f"{n:,}", REASONS.get(flag, ""))
        for flag, n in sorted(s["flags"].items(), key=lambda item: -item[1])
    ]
    layout = build["layout"]
    rows += [
        (
            stacked("No label", duration_name(horizon)),
            f"{total - s['valid'][label]:,}",
            "the horizon reaches past the data, or a price at its end is unknown",
        )
        for label, horizon in zip(layout["labels"], layout["horizons_ns"], strict=True)
    ]
    return join(
        table(("", "rows", "why"), rows, "Rows of the training table.", words=2),
        _missing_values(build),
    )


def _missing_values(build: Mapping[str, Any]) -> Html | None:
    s = build["summary"]
    after = s["rows"] - s["warmup"]
    columns = [*build["layout"]["columns"], *build["layout"]["regime_columns"]]
    lacking = sorted(((s["rows"] - s["valid"][name], name) for name in columns), reverse=True)
    # the warm-up's own missing values are told above: what is listed here lacks more
    lacking = [(n, name) for n, name in lacking if n > s["warmup"]]
    if not lacking or after <= 0:
        return None
    rows = [(tag("code", name), f"{n:,}", percent(n / s["rows"], 1)) for n, name in lacking[:8]]
    more = f" {len(lacking) - 8} more columns lack fewer." if len(lacking) > 8 else ""
    return table(
        ("column", "rows without a value", "of all rows"),
        rows,
        f"Columns that lack more values than the warm-up takes.{more}",
    )


def _folds(found: Findings) -> Html | None:
    folds = (found.training or {}).get("folds", ())
    if not folds:
        return None
    validation = found.manifest["config"]["validation"]
    total = found.build["summary"]["rows"] if found.build else None
    before = total - sum(f["test_rows"] for f in folds) if total is not None else None
    rows = []
    for f in folds:
        left_out = f"{before - f['train_rows']:,}" if before is not None else "unknown"
        rows.append(
            (
                str(f["index"] + 1),
                f"{f['train_rows']:,}",
                left_out,
                f"{f['test_rows']:,}",
                span_text(f["test_end_ns"] - f["test_start_ns"]),
            )
        )
        before = before + f["test_rows"] if before is not None else None
    rolling = "" if validation["expanding"] else ", or older than the rolling window"
    return table(
        ("fold", "trained on", "purged and embargoed", "tested on", "lasts"),
        rows,
        "Rows of each fold. Left out of training are rows whose label reaches into the test window, or into the "
        f"{validation['embargo']} of embargo before it{rolling}. Only tested rows are predicted and traded.",
    )


def _unpredicted(found: Findings) -> Html | None:
    if not found.outcomes:
        return None
    rows = [
        (
            duration_name(o.horizon_ns),
            f"{o.rows:,}",
            f"{o.rows - o.predicted:,}",
            f"{o.rows - o.labelled:,}",
            f"{o.both:,}",
        )
        for o in found.outcomes
    ]
    return table(
        ("horizon", "test rows", "no prediction", "no label", "judged"),
        rows,
        "Test rows: a row that misses too many features gets no prediction, one at a hole or at the end no label.",
    )


def _assumptions(found: Findings) -> Html:
    about = {a.slot: a for a in found.about}
    return join(
        paragraphs(
            "One market, one stretch of time. Every prediction was made by a model that had seen nothing of its test "
            "window: training rows are purged of labels that reach into it, and an embargo is kept before it.",
            "Everything is ordered by when we had it, not by when it happened. A decision sees what had been received, "
            "and its orders reach the venue after the latency that is set.",
            "Below are the components' own words on what they do and what they leave out, with this run's settings.",
        ),
        *(_component(about[slot], opened=slot == ASSUMED[0]) for slot in ASSUMED if slot in about),
    )


def _component(about: About, *, opened: bool) -> Html:
    settings = ", ".join(f"{k}={_value(v)}" for k, v in about.settings.items())
    words = (
        prose(about.doc)
        if about.doc
        else empty("This component is not installed here, so its words are missing.")
    )
    return folded(
        f"{about.slot}: {about.name}",
        join(words, tag("p", tag("code", settings), class_="settings") if settings else None),
        opened=opened,
    )


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _run(found: Findings) -> Html:
    m = found.manifest
    results = m.get("results", {})
    build, backtest = results.get("build", {}), results.get("backtest") or results.get("trade", {})
    git = m.get("git")
    commit = (
        f"{git['commit'][:12]}{', with changes of its own' if git['dirty'] else ''}"
        if git
        else "not a checkout"
    )
    facts: list[tuple[Child, ...]] = [
        ("Directory", found.name),
        (
            "Command",
            tag(
                "code",
                " ".join(
                    ["btcframe", *([m["verb"]] if m["verb"] not in m["command"][:1] else []), *m["command"]]
                ),
            ),
        ),
        ("Started", m.get("started", "unknown")),
        ("Seed", str(m["seed"])),
        ("btcframe", f"{m['btcframe']}, commit {commit}"),
        ("Machine", ", ".join(str(v) for v in m["machine"].values())),
        ("Python", m["python"]),
        ("Settings", tag("code", m["config_hash"][:16])),
    ]
    if build:
        facts.append(("Build", join(tag("code", build["id"]), f", {counted(build['rows'], 'row')}")))
        facts.append(
            (
                "Data",
                tag("code", build["data"][:16])
                if build["data"]
                else "made by the source from its settings and the seed",
            )
        )
    if backtest:
        facts.append(
            (
                "Session",
                join("sha256 ", tag("code", backtest["fingerprint"][:16]), " of intents, orders and fills"),
            )
        )
    return join(
        table(("", ""), facts, "What made this page; manifest.json holds all of it in full.", text=2),
        folded("All settings", tag("pre", _settings(m["config"]))),
        folded("Versions", tag("pre", _settings({"plugins": m["plugins"], "packages": m["packages"]}))),
    )


def _settings(value: Mapping[str, Any], indent: str = "") -> str:
    """Nested settings as lines of key: value."""
    lines = []
    for key, item in value.items():
        if isinstance(item, Mapping) and item:
            lines += [f"{indent}{key}:", _settings(item, indent + "  ")]
        else:
            lines.append(f"{indent}{key}: {_value(item)}")
    return "\n".join(lines)
