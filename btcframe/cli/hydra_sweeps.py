"""Which sweeps make no sense: over nothing, and over so much that nobody can have meant it."""

from __future__ import annotations

import importlib.util
import itertools
import math
from collections.abc import Callable, Sequence

from hydra.core.override_parser.types import Override

from btcframe.config import LOOKED_AT
from btcframe.errors import ConfigError

JOB = "hydra.job.num"
"""What a job of a sweep is told, and nobody else sets."""
_COUNTED = 10_000_000
"""Values of one setting that are counted; nobody waits for more."""


def _is_multirun(arguments: list[str]) -> bool:
    return any(word == "-m" or (len(word) > 3 and "--multirun".startswith(word)) for word in arguments)


def _installed(plugin: str) -> bool:
    try:
        return importlib.util.find_spec(f"hydra_plugins.{plugin}") is not None
    except ModuleNotFoundError:
        return False  # no plugin of Hydra's at all


def check_sweep(
    verb: str, arguments: list[str], parsed: list[tuple[Override, str]], groups: Sequence[str]
) -> None:
    """Several values ask for -m, and -m for several values.

    Parameters
    ----------
    verb : str
    arguments : list of str
    parsed : list of (override, where it stands)
    groups : sequence of str    settings that are names: a slot's component, a file

    Raises
    ------
    ConfigError
    """
    several = [(override, where) for override, where in parsed if override.is_sweep_override()]
    preset = next(((o, where) for o, where in parsed if o.key_or_group == "sweep"), None)
    part = any(o.key_or_group == JOB for o, _ in parsed)  # a job of a sweep has its sweep's settings
    if not _is_multirun(arguments):
        for override, where in several:
            jobs = f"btcframe {verb} makes none" if verb in LOOKED_AT else "Add -m to run one job per value"
            raise ConfigError(
                f"{override.input_line}: several values make a sweep",
                where=where,
                hint=f"{jobs}; a list is written {override.key_or_group}=[…].",
            )
        if preset is not None and not part:
            raise ConfigError(
                f"{preset[0].input_line}: it says what a sweep has", where=preset[1], hint="Add -m."
            )
        return
    if preset is not None and preset[0].value() == "optuna" and not _installed("hydra_optuna_sweeper"):
        raise ConfigError(
            "sweep=optuna: Optuna is not installed",
            where=preset[1],
            next="Install it: pip install 'btcframe[optuna]', or draw at random: sweep=random",
        )
    for override, where in parsed:
        if override.value() == "" and override.key_or_group in groups:
            raise ConfigError(
                f"{override.input_line}: a sweep over nothing",
                where=where,
                hint=f"Write {override.key_or_group}=ONE,OTHER -m, or leave it out for the default.",
            )
    if not any(
        not override.key_or_group.startswith("hydra") or "sweeper" in override.key_or_group
        for override, _ in parsed
    ):
        raise ConfigError(
            f"btcframe {verb} -m: a sweep over nothing",
            hint="No setting has several values.",
            next=f"btcframe {verb} model.alpha=1,10 -m, or a preset: sweep=grid",
        )


def check_many(overrides: Sequence[Override], most: int, asked: Callable[[str], bool]) -> None:
    """Refuse, or ask about, a sweep of very many jobs, before any of them is thought of.

    Parameters
    ----------
    overrides : sequence of Override
    most : int          jobs that need no question
    asked : callable    puts a question and gives the answer; False where nobody can answer

    Raises
    ------
    ConfigError
    """
    counts = [
        sum(1 for _ in itertools.islice(override.sweep_iterator(), _COUNTED))
        for override in overrides
        if override.is_discrete_sweep()
    ]
    jobs = math.prod(counts)
    if jobs <= most or asked(f"That are {jobs:,} jobs. Do them all?"):
        return
    raise ConfigError(
        f"the sweep would have {jobs:,} jobs",
        where="command line and sweep preset",
        hint=f"{' × '.join(f'{count:,}' for count in counts)} values; {most:,} jobs need no question.",
        next=f"Fewer values, draws of them (sweep=random), or all of them: sweep.most={jobs}",
    )
