"""Parts of a pipeline that are switched off: which, and why.

A feature or regime that raises while a session trades must not end it, and nothing may be guessed in its place: it is
switched off for good, its columns are NaN from that row on, and trading is gated (`trader`). What is off, and why, is part
of the pipeline's memory: a part that missed rows never comes back by a restart.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from btcframe.errors import ConfigError, did_you_mean

LONGEST = 240
"""Bytes of a reason that are kept."""

SWITCH = np.dtype([("off", "u1"), ("why", f"S{LONGEST}")])


class Containment:
    """The switches of a pipeline's parts.

    Parameters
    ----------
    names : sequence of str    of the parts, as in a config: features.ofi, regime
    catches : bool             whether a part that raises is switched off; otherwise what it raises goes on
    """

    def __init__(self, names: Sequence[str], catches: bool) -> None:
        self.catches = catches
        self.memory = np.zeros(len(names), SWITCH)
        """SWITCH[parts], to be saved; call `read_back` after writing into it."""
        self._names = tuple(names)
        self._told: dict[str, str] = {}
        self.told: Mapping[str, str] = MappingProxyType(self._told)
        """Why each part that is off is; a view."""

    def switch_off(self, name: str, why: str) -> None:
        """Switch a part off; one that is off stays so for the reason it has.

        Raises
        ------
        ConfigError
            If there is no such part.
        """
        if name not in self._names:
            raise ConfigError(
                f"no part of the pipeline is called {name!r}", hint=did_you_mean(name, self._names)
            )
        if name not in self._told:
            kept = " ".join(why.split()).encode()[:LONGEST]
            self.memory[self._names.index(name)] = 1, kept
            self._told[name] = kept.decode(errors="ignore")

    def met(self, name: str, error: Exception) -> None:
        """A part has raised: switch it off, or let the error go on."""
        if not self.catches:
            raise error
        self.switch_off(name, reason(error))

    def read_back(self) -> None:
        """Tell what the memory holds."""
        self._told.clear()
        for name, off, why in zip(self._names, self.memory["off"], self.memory["why"], strict=True):
            if off:
                self._told[name] = why.decode(errors="ignore")


def reason(error: Exception) -> str:
    """What was raised and where, in a line."""
    what = "".join(traceback.format_exception_only(error))
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return " ".join(what.split()) + where
