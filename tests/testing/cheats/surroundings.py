"""Components of every slot that change what belongs to the whole process, each in another way."""

from __future__ import annotations

import gc
import logging
import os
import random
import sys
import warnings
from dataclasses import dataclass

import numpy as np

from btcframe.clocks.time import TimeClock
from btcframe.venues.sim import Sim

from .features import Honest
from .labels import HonestLabel
from .models import HonestModel
from .regimes import HonestRegime
from .trading import HonestPolicy, HonestRisk, HonestSource


@dataclass(frozen=True)
class SeedingFeature(Honest):
    """Seeds numpy for everyone."""

    def update(self, rows, state, out):
        np.random.seed(0)  # noqa: NPY002
        super().update(rows, state, out)


@dataclass(frozen=True)
class SilencingRegime(HonestRegime):
    """Turns off all warnings while it is fitted."""

    def fit(self, descriptors, *, seed):
        warnings.simplefilter("ignore")
        return super().fit(descriptors, seed=seed)


@dataclass(frozen=True)
class CarelessLabel(HonestLabel):
    """Lets numbers go wrong without a word."""

    def label(self, rows):
        np.seterr(all="ignore")
        return super().label(rows)


@dataclass(frozen=True)
class GreedyModel(HonestModel):
    """Takes one thread, for all that follow."""

    def fit(self, data):
        os.environ["OMP_NUM_THREADS"] = "1"
        return super().fit(data)


@dataclass(frozen=True)
class WanderingPolicy(HonestPolicy):
    """Goes elsewhere to decide."""

    def decide(self, market, position):
        os.chdir("/")
        return super().decide(market, position)


@dataclass(frozen=True)
class DeepRisk(HonestRisk):
    """Recurses."""

    def check(self, intent, account, market):
        sys.setrecursionlimit(5000)
        return super().check(intent, account, market)


@dataclass(frozen=True)
class SeedingSource(HonestSource):
    """Seeds the generator of `random`."""

    def open(self, *, seed):
        random.seed(seed)
        return super().open(seed=seed)


@dataclass(frozen=True)
class HoardingClock(TimeClock):
    """Turns garbage collection off.

    Parameters
    ----------
    every : str   length of a row
    """

    def cuts(self, events, start, state, out):
        gc.disable()
        return super().cuts(events, start, state, out)


@dataclass(frozen=True)
class TalkingVenue:
    """Has everything logged.

    Parameters
    ----------
    latency : str    a duration
    """

    latency: str = "50ms"

    def open(self, instrument, *, seed):
        logging.root.setLevel(logging.DEBUG)
        return Sim(latency=self.latency).open(instrument, seed=seed)
