"""Everything that is looked at, in order, and who may trade after that."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from btcframe.doctor.account import keys, venue
from btcframe.doctor.caches import caches
from btcframe.doctor.finding import Finding, Level, failed
from btcframe.doctor.journals import journals
from btcframe.doctor.left import sessions
from btcframe.doctor.machine import clock, disks
from btcframe.doctor.market import market
from btcframe.doctor.software import CORE, asked_for, packages, plugins, python
from btcframe.doctor.storage import spool, store
from btcframe.errors import BtcframeError, DoctorError
from btcframe.plugins import Catalog
from btcframe.venues.real.places import journals_in

Look = Callable[[], Iterator[Finding]]


def examined(config: Mapping[str, Any], catalog: Catalog, directory: Path = Path()) -> Iterator[Finding]:
    """Look at everything, one after the other. Nothing is changed, and no order is sent.

    Parameters
    ----------
    config : mapping        the sections source, store, spool and venue of a config
    catalog : Catalog
    directory : Path        where `runs` lies
    """
    distributions = (CORE, *(plugin.distribution for plugin in catalog.plugins))
    modules = (plugin.module.__name__.partition(".")[0] for plugin in catalog.plugins)
    looks: dict[str, Look] = {
        "python": python,
        "packages": lambda: packages(asked_for(dict.fromkeys(distributions))),
        "plugins": partial(plugins, catalog),
        "kernels": lambda: caches(dict.fromkeys(modules)),
        "clock": clock,
        "disk": lambda: disks(places(config, directory)),
        "store": partial(store, config, catalog),
        "spool": partial(spool, config),
        "sessions": partial(sessions, directory),
        "keys": keys,
        "journals": partial(journals, config),
        "exchange": partial(market, config, catalog),
        "venue": partial(venue, config, catalog),
    }
    for name, look in looks.items():
        yield from _looked(name, look)


def _looked(name: str, look: Look) -> Iterator[Finding]:
    """What one look came to; one that goes wrong is a finding, and the others follow."""
    try:
        yield from look()
    except BtcframeError as error:
        yield Finding(name, Level.FAIL, error.what, error.next or error.hint)
    except Exception as error:  # noqa: BLE001 - strangers' stores, sources and venues may fail in any way
        said = f"it could not be looked at: {type(error).__name__}: {' '.join(str(error).split())}"
        at = traceback.extract_tb(error.__traceback__)[-1]
        yield Finding(
            name, Level.FAIL, said, f"Tell whose it is: it was raised in {at.filename}, line {at.lineno}"
        )


def places(config: Mapping[str, Any], directory: Path) -> dict[str, Path]:
    """Directories that a run writes to, by the setting that chooses each."""
    found = {"hydra.run.dir": directory / "runs", "spool.path": Path(config["spool"]["path"])}
    value = config["store"].get("path")
    if isinstance(value, str) and value and "://" not in value:
        found["store.path"] = Path(value)
    if "journal" in config["venue"]:
        found["venue.journal"] = journals_in(config["venue"]["journal"])
    return found


def checks_for_trading(
    config: Mapping[str, Any], catalog: Catalog, directory: Path = Path()
) -> tuple[Finding, ...]:
    """What was found, where nothing fails: the condition for trading with real money.

    Raises
    ------
    DoctorError
        If anything fails; it names all of it, and what to do.
    """
    found = tuple(examined(config, catalog, directory))
    if wrong := failed(found):
        raise refused(wrong)
    return found


def refused(wrong: list[Finding]) -> DoctorError:
    """What fails, in words."""
    return DoctorError(
        "; ".join(f"{finding.name}: {finding.said}" for finding in wrong),
        where="btcframe doctor",
        hint="\n".join(f"{finding.name}: {finding.do}" for finding in wrong if finding.do),
        next="Everything that was looked at: btcframe doctor, with the same settings",
    )
