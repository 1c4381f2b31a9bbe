"""Runs in words, for a terminal of 80 columns."""

from __future__ import annotations

import datetime
import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from btcframe.report.words import significant, span_text
from btcframe.runs.differences import Differences, Pair, metrics_of
from btcframe.runs.find import Found
from btcframe.runs.settings import varied, written
from btcframe.types import NS

WIDTH = 80
_BESIDE = 24
_DIGITS = 12


def wrapped(text: str, indent: str = "") -> list[str]:
    """A text in lines; what is too long for one, as a path, stays whole."""
    return textwrap.wrap(
        text, WIDTH, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------------------- list


def sweep_of(run: Found) -> Path | None:
    """The directory of the sweep that a run is a job of."""
    return run.directory.parent if run.directory.name.isdecimal() else None


def newest_first(runs: Sequence[Found]) -> list[list[Found]]:
    """Runs, and the jobs of a sweep together; those that cannot be read last."""
    groups = [list(jobs) for _, jobs in groupby(runs, key=lambda run: sweep_of(run) or run.directory)]
    return sorted(
        groups, key=lambda jobs: max(str(job.manifest.get("started", "")) for job in jobs), reverse=True
    )


def listed(runs: Sequence[Found]) -> list[str]:
    """Runs and sweeps, the newest first, a few lines each."""
    lines: list[str] = []
    for jobs in newest_first(runs):
        lines += _sweep(jobs) if sweep_of(jobs[0]) and len(jobs) > 1 else _run(jobs[0])
    return lines


def _run(run: Found) -> list[str]:
    lines = [f"{_when(run)}  {run.status:<11} {run.manifest.get('verb', ''):<8} {run.directory}"]
    if run.trouble:
        return [*lines, *wrapped(run.trouble, "  ")]
    if said := overrides(run.manifest):
        lines += wrapped(" ".join(said), "  ")
    if run.status != "complete" and (error := run.manifest.get("error")):
        lines += wrapped(str(error).splitlines()[0], "  ")
    return lines


def _sweep(jobs: Sequence[Found]) -> list[str]:
    whole = sum(job.status == "complete" for job in jobs)
    verb = next((str(job.manifest["verb"]) for job in jobs if job.manifest), "")
    first = min(jobs, key=lambda job: str(job.manifest.get("started", "~")))
    lines = [f"{_when(first)}  {f'{whole} of {len(jobs)}':<11} {verb:<8} {sweep_of(jobs[0])}"]
    differ = varied([job.manifest["config"] for job in jobs if job.manifest])
    for name, values in differ.items():
        each = dict.fromkeys(written(value) for value in values if value is not None)
        lines += wrapped(f"{name}={','.join(each)}", "  ")
    broken: dict[str, list[str]] = {}
    for job in jobs:
        if job.status != "complete":
            why = str(job.manifest.get("error") or job.trouble).splitlines() or [""]
            broken.setdefault(f"{job.status}{': ' + why[0] if why[0] else ''}", []).append(job.directory.name)
    for said, numbers in broken.items():
        lines += wrapped(f"{', '.join(numbers)}: {said}", "  ")
    return lines


def jobs_listed(jobs: Sequence[Found]) -> list[str]:
    """The jobs of one sweep, each with the settings in which it differs from the others."""
    differ = varied([job.manifest["config"] for job in jobs if job.manifest])
    lines, at = [], 0
    for job in jobs:
        lines.append(f"{_when(job)}  {job.status:<11} {job.manifest.get('verb', ''):<8} {job.directory}")
        if job.manifest:
            lines += wrapped(settings_text({name: values[at] for name, values in differ.items()}), "  ")
            at += 1
        if job.status != "complete" and (why := str(job.manifest.get("error") or job.trouble)):
            lines += wrapped(why.splitlines()[0], "  ")
    return lines


def settings_text(settings: Mapping[str, Any]) -> str:
    """Settings as one would type them."""
    return " ".join(f"{name}={written(value)}" for name, value in settings.items() if value is not None)


def overrides(manifest: Mapping[str, Any]) -> list[str]:
    """What the command line of a run set, without what says where it lies."""
    return [word for word in manifest["command"] if "=" in word and not word.startswith("hydra.")]


def _when(run: Found) -> str:
    return str(run.manifest.get("started", ""))[:16].replace("T", " ").ljust(16)


def plain_run(run: Found) -> dict[str, Any]:
    """A run in the list, for a script."""
    m, sweep = run.manifest, sweep_of(run)
    return {
        "directory": str(run.directory),
        "sweep": str(sweep) if sweep else None,
        "id": m.get("id"),
        "status": run.status,
        "verb": m.get("verb"),
        "started": m.get("started"),
        "finished": m.get("finished"),
        "overrides": overrides(m) if m else None,
        "config_hash": m.get("config_hash"),
        "error": m.get("error"),
        "trouble": run.trouble or None,
    }


# ---------------------------------------------------------------------------------------------------------- show


def shown(directory: Path, manifest: Mapping[str, Any]) -> list[str]:
    """Everything about a run that a person wants."""
    git, build = manifest.get("git") or {}, manifest.get("results", {}).get("build", {})
    machine, kernels = manifest["machine"], manifest.get("kernels", {})
    compiled = (
        f"{kernels['compiled']} compiled in {kernels['seconds']} s, {kernels['loaded']} found"
        if kernels
        else ""
    )
    lines = [
        f"{manifest.get('id', directory.name)}  {manifest['status']}",
        *_line("directory", str(directory)),
        *_line("command", " ".join(["btcframe", manifest["verb"], *manifest["command"]])),
        *_line("started", f"{manifest.get('started', 'unknown')}{_lasted(manifest)}"),
        *_line("error", str(manifest.get("error", ""))),
        *_line("seed", str(manifest["seed"])),
        *_line("settings", str(manifest.get("config_hash", ""))[:_DIGITS]),
        *_line("build", f"{build['id']}, {build['rows']:,} rows of {build['symbol']}" if build else ""),
        *_line("data", str(build.get("data", ""))[:_DIGITS]),
        *_line("made by", f"btcframe {manifest['btcframe']}, python {manifest.get('python', 'unknown')}"),
        *_line("commit", f"{git['commit'][:_DIGITS]}{', with changes' * git['dirty']}" if git else ""),
        *_line("code", ", ".join(f"{k} {v[:_DIGITS]}" for k, v in manifest.get("code", {}).items())),
        *_line("machine", ", ".join(_named(name, value) for name, value in machine.items())),
        *_line("kernels", compiled),
    ]
    told = [(name, value) for name, value in metrics_of(manifest) if value is not None]
    if told:
        lines += ["", "What it came to"]
        lines += [line for name, value in told for line in _line(name, _value(value))]
    sentence = manifest.get("results", {}).get("report", {}).get("verdict", {}).get("sentence", "")
    return [*lines, *(["", *wrapped(sentence)] if sentence else [])]


def _named(name: str, value: Any) -> str:
    """What a manifest says of a machine: a number is one of something."""
    return f"{value} {name}" if isinstance(value, int) else str(value)


def _lasted(manifest: Mapping[str, Any]) -> str:
    try:
        since, until = (datetime.datetime.fromisoformat(manifest[key]) for key in ("started", "finished"))
    except (KeyError, ValueError):
        return ""
    return f", {span_text(int((until - since).total_seconds() * NS))}"


def _line(name: str, text: str) -> list[str]:
    if not text:
        return []
    lead = f"  {name:<{_BESIDE}} "
    return textwrap.wrap(
        text, WIDTH, initial_indent=lead, subsequent_indent=" " * len(lead), break_on_hyphens=False,
        break_long_words=False,
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------------------- diff


def differing(found: Differences, names: tuple[str, str]) -> list[str]:
    """What differs between two runs."""
    lines = [f"A  {names[0]}", f"B  {names[1]}"]
    for title, pairs in found._asdict().items():
        lines += ["", f"{title}: the same" if not pairs else title]
        for name, pair in pairs.items():
            lines += [line for letter, line in _sides(name, pair)]
    return lines


def _sides(name: str, pair: Pair) -> Iterator[tuple[str, str]]:
    a, b = (_value(value) for value in pair)
    change = ""
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in pair):
        change = f"  ({significant(pair[1] - pair[0])})"
    one = f"  {name}  {a} → {b}{change}"
    if len(one) <= WIDTH:
        yield "", one
        return
    yield "", f"  {name}"
    for letter, text in (("A", a), ("B", b)):
        for line in wrapped(f"{letter}  {text}", "    "):
            yield letter, line


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        digest = len(value) >= 40 and set(value) <= set("0123456789abcdef")
        return value[:_DIGITS] if digest else written(value)
    return written(value) if not isinstance(value, Mapping) else json.dumps(value, ensure_ascii=False)
