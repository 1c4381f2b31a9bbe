"""What a session would have come to at another venue: slower, dearer, with other queues. So that nobody believes one number.

The recorded session is played again for every variation, with one setting of its simulated venue changed, through the
same models, policy and rules: what they decide may differ, since their orders fare otherwise. A variation costs as much
as a replay of the session.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import Any

from btcframe.api import Venue
from btcframe.errors import ConfigError, DataError
from btcframe.report.measures import Measures, measured
from btcframe.report.varied import Variation, Varied
from btcframe.report.words import span_text
from btcframe.run import Run, write_json
from btcframe.sessions.replaying import play_again
from btcframe.sessions.session import since_known, starting
from btcframe.types import NS, duration_name, duration_ns

SENSITIVITY = "sensitivity.json"
"""The variations of a session in its run's directory."""

LATENCIES = {
    "no latency": 0.0,
    "half the latency": 0.5,
    "twice the latency": 2.0,
    "five times the latency": 5.0,
}
"""What the times of our orders and of the venue's answers are multiplied with."""

FEES = {"no fees": 0.0, "half the fees": 0.5, "twice the fees": 2.0}
"""What fees are multiplied with; a rebate falls with them, and does not rise with them."""

QUEUES = ("through", "trades", "risk_averse", "power3")
"""Models of the queue that are tried: from the least generous to the most; the others lie between."""

_LATENCIES = ("latency", "report_latency")
_FEES = ("maker_fee_bps", "taker_fee_bps")


def variations(venue: Any) -> Iterator[Variation]:
    """What can be varied of a venue: latencies, fees, how a queue moves, whether fills are bounded.

    Settings are known by name and type: a third party's venue that has them is varied as ours is.

    Parameters
    ----------
    venue : Venue     a frozen dataclass
    """
    settings = {field.name: getattr(venue, field.name) for field in dataclasses.fields(venue)}
    times = {
        key: duration_ns(text, zero=True) for key in _LATENCIES if isinstance(text := settings.get(key), str)
    }
    if any(times.values()):
        for name, factor in LATENCIES.items():
            ns = {key: round(factor * time_ns) for key, time_ns in times.items()}
            yield Variation("latency", name, {key: duration_name(n) if n else "0s" for key, n in ns.items()})
    fees = {key: fee for key in _FEES if isinstance(fee := settings.get(key), float)}
    if any(fees.values()):
        for name, factor in FEES.items():
            # a rebate does not grow where fees do
            changed = {
                key: fee * (min(factor, 1.0) if fee < 0 else factor) + 0.0 for key, fee in fees.items()
            }
            yield Variation("fees", name, changed)
    queue = settings.get("queue")
    if isinstance(queue, Enum):
        for other in type(queue):
            if other != queue and other.name in QUEUES:
                yield Variation("queue", f"queue {other.name}", {"queue": other})
    if settings.get("bounded") is True:
        yield Variation("fills", "what touches an order fills it", {"bounded": False})
    if settings.get("impact") is True:
        yield Variation("fills", "what we took can be taken again", {"impact": False})


def vary(run: Run) -> list[Varied]:
    """Play the session of a finished run again for every variation of its venue, and keep what it came to.

    Parameters
    ----------
    run : Run     its directory, config, catalog and console

    Raises
    ------
    ConfigError
        If the venue has nothing to vary: it is not a simulated one.
    DataError, ModelError, PluginError, ReplayError
        If the session cannot be played again.
    StoreError
        If the result cannot be written.
    """
    venue = run.component("venue")
    wanted = list(variations(venue))
    if not wanted:
        raise ConfigError(
            f"venue {run.config['venue']['plugin']} has no latency, fees or queue to vary",
            hint="A simulated venue has: venue=sim.",
        )
    run.say(
        f"The session is played again at {len(wanted)} other venues, which takes as long as {len(wanted)} replays of it."
    )
    found = []
    for number, variation in enumerate(wanted, start=1):
        began = time.monotonic()
        with run.progress(f"{number} of {len(wanted)}: {variation.name}", unit="events") as bar:
            measures = _played(run, dataclasses.replace(venue, **variation.settings), bar.advance)
        found.append(Varied(variation, measures))
        if number == 1:
            took = time.monotonic() - began
            run.say(f"The first took {took:.0f} s: about {span_text(int(took * len(wanted) * NS))} in all.")
    write_json(run.dir / SENSITIVITY, [_plain(varied) for varied in found])
    return found


def _played(run: Run, venue: Venue, advance: Any) -> Measures:
    trader = play_again(run, venue=venue, advance=advance)
    tables = since_known(trader.audit.tables())
    return measured(tables, trader.ledger.instrument, starting(run.dir, run.config, tables))


def load_varied(directory: Path) -> Sequence[Varied] | None:
    """The variations that were played of a run's session; None where none were.

    Raises
    ------
    DataError
        If their file is damaged.
    """
    path = directory / SENSITIVITY
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error
    try:
        return [
            Varied(Variation(one["group"], one["name"], dict(one["settings"])), _measures(one["measures"]))
            for one in told
        ]
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise _damaged(path, repr(error)) from error


def _measures(told: Mapping[str, Any]) -> Measures:
    values: dict[str, Any] = {k: float("nan") if v is None else v for k, v in told.items()}
    return Measures(**values)


def _damaged(path: Path, why: str) -> DataError:
    return DataError(
        f"the variations of the session cannot be read: {why}",
        where=str(path),
        next=f"Make them again: btcframe report {path.parent} --sensitivity",
    )


def _plain(varied: Varied) -> dict[str, Any]:
    settings = {k: v.name if isinstance(v, Enum) else v for k, v in varied.variation.settings.items()}
    measures = {k: None if v != v else v for k, v in varied.measures._asdict().items()}
    return {
        "group": varied.variation.group,
        "name": varied.variation.name,
        "settings": settings,
        "measures": measures,
    }
