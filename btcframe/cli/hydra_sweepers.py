"""Which jobs a sweep has: every combination of values, or draws of them. Hydra's grammar, and no more jobs than asked for."""

from __future__ import annotations

import itertools
import math
import random
import sys
from dataclasses import dataclass
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper

from btcframe.cli.hydra_sweeps import check_many
from btcframe.errors import ConfigError

_MODULE = "hydra_plugins.btcframe"
_TRIED = 100
"""Draws for each that is wanted, until what is new is given up on."""


def asked(question: str) -> bool:
    """Put a question to whoever sits at the terminal; no where nobody does."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


class Swept:
    """What both sweepers are told by Hydra: the launcher, and what is swept."""

    def __init__(self, hydra_context: Any, task_function: Any, config: Any, params: Any) -> None:
        self._loader, self._params, self.config = hydra_context.config_loader, dict(params or {}), config
        self.launcher: Any = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def overrides(self, arguments: list[str]) -> dict[str, Override]:
        """By setting, those of the command line before those of the config."""
        parser = OverridesParser.create(config_loader=self._loader)
        given = parser.parse_overrides([*(f"{k}={v}" for k, v in self._params.items()), *arguments])
        return {override.get_key_element(): override for override in given}


class Grid(Sweeper):
    """Every combination, the last setting's values changing fastest: as Hydra's own, which does not count first.

    That the jobs can be composed, and make sense, the launcher sees before the first of them begins.

    Parameters
    ----------
    params : mapping of str    settings and their values, as on the command line, which goes first
    """

    def __init__(self, params: Any = None) -> None:
        self.params = params

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Called by Hydra."""
        self.swept = Swept(hydra_context, task_function, config, self.params)

    def sweep(self, arguments: list[str]) -> Any:
        """Called by Hydra with the overrides of the command line."""
        overrides = self.swept.overrides(arguments)
        for override in overrides.values():
            if override.is_sweep_override() and not override.is_discrete_sweep():
                raise ConfigError(
                    f"{override.input_line}: an interval has no values to go through one by one",
                    hint=f"Write some: {override.key_or_group}=1,3,10",
                    next="Or draw from it: sweep=random",
                )
        if self.swept.launcher.sweeping.resumed is None:
            check_many(list(overrides.values()), self.swept.config.sweep.most, asked)
        lists = [[f"{key}={value}" for value in values(override)] for key, override in overrides.items()]
        return [self.swept.launcher.launch([list(job) for job in itertools.product(*lists)], 0)]


class Random(Sweeper):
    """Draws at random: a value of each setting that has several, or of its interval, even in its logarithm.

    The same seed gives the same draws. Two that are alike are one.

    Parameters
    ----------
    draws : int
    seed : int
    params : mapping of str    settings and their values, as on the command line, which goes first
    """

    def __init__(self, draws: int, seed: int, params: Any = None) -> None:
        self.draws, self.seed, self.params = draws, seed, params

    def setup(self, *, hydra_context: Any, task_function: Any, config: Any) -> None:
        """Called by Hydra."""
        if self.draws < 1:
            raise ConfigError(f"hydra.sweeper.draws: {self.draws} is not a number of jobs: it starts at 1")
        self.swept = Swept(hydra_context, task_function, config, self.params)

    def sweep(self, arguments: list[str]) -> Any:
        """Called by Hydra with the overrides of the command line."""
        overrides = self.swept.overrides(arguments)
        rng = random.Random(self.seed)
        jobs: dict[tuple[str, ...], None] = {}
        for _ in range(_TRIED * self.draws):
            jobs[tuple(f"{key}={drawn(override, rng)}" for key, override in overrides.items())] = None
            if len(jobs) == self.draws:
                break
        return [self.swept.launcher.launch([list(job) for job in jobs], 0)]


def values(override: Override) -> list[str]:
    """All values of an override, as they are written on a command line."""
    if override.is_sweep_override():
        return list(override.sweep_string_iterator())
    return [str(override.get_value_element_as_str())]


def drawn(override: Override, rng: random.Random) -> str:
    """A value of an override, as it is written on a command line."""
    if not override.is_sweep_override() or override.is_discrete_sweep():
        return rng.choice(values(override))
    interval: Any = override.value()
    low, high = float(interval.start), float(interval.end)
    if "log" in interval.tags:
        if not 0 < low < high:
            raise ConfigError(f"{override.input_line}: a logarithm begins above 0")
        value = math.exp(rng.uniform(math.log(low), math.log(high)))
    else:
        value = rng.uniform(low, high)
    whole = isinstance(interval.start, int) and isinstance(interval.end, int)
    return str(round(value)) if whole else f"{value:.6g}"


@dataclass
class GridNode:
    """Every combination."""

    _target_: str = f"{_MODULE}.Grid"
    params: dict[str, str] | None = None


@dataclass
class RandomNode:
    """Draws."""

    _target_: str = f"{_MODULE}.Random"
    draws: int = 20
    seed: int = "${seed}"  # type: ignore[assignment]  # OmegaConf's way to say: the run's own
    params: dict[str, str] | None = None


def register() -> None:
    """Give Hydra our sweepers; that of combinations under the name of its own."""
    plugins, store = Plugins.instance(), ConfigStore.instance()
    for sweeper, node, name in ((Grid, GridNode, "basic"), (Random, RandomNode, "random")):
        plugins.register(sweeper)
        plugins.class_name_to_class[f"{_MODULE}.{sweeper.__name__}"] = sweeper
        store.store(group="hydra/sweeper", name=name, node=node, provider="btcframe")
