"""Sources that tell the truth in the wrong way, beside an honest one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from btcframe.api import Batch
from btcframe.testing import markets
from btcframe.types import NS, TRUTH


def hidden(events, seed):
    """A row of truth a second, as far as the events reach."""
    rng = np.random.default_rng([seed, 0x7A])
    seconds = (events["local_ts"][-1] - events["local_ts"][0]) // NS
    truth = np.zeros(seconds, TRUTH)
    truth["row_ns"] = events["local_ts"][0] // NS * NS + NS * np.arange(1, seconds + 1)
    truth["latent"] = rng.standard_normal(seconds)
    return truth


class TellingFeed:
    """Hands out events in two parts, each with the truth of its time."""

    instrument = markets.INSTRUMENT

    def __init__(self, events, truth):
        self.parts = events[:700], events[700:]
        now = truth["row_ns"] < events["local_ts"][700]
        self.truth = truth[now], truth[~now]

    def __iter__(self):
        for events, truth in zip(self.parts, self.truth, strict=True):
            yield Batch(events, truth=truth)

    def close(self):
        pass


@dataclass(frozen=True)
class HonestTruth:
    """A plain market with a hidden number that nothing depends on."""

    instrument = markets.INSTRUMENT

    def open(self, *, seed):
        events = markets.events(2000, seed)
        return TellingFeed(events, hidden(events, seed))

    def fingerprint(self):
        return ""

    def oracle(self, truth, horizons_ns):
        return truth["latent"][:, None] * np.sqrt(np.array(horizons_ns) / NS)


@dataclass(frozen=True)
class StandingTruth(HonestTruth):
    """Tells a moment twice."""

    def open(self, *, seed):
        events = markets.events(2000, seed)
        return TellingFeed(events, np.repeat(hidden(events, seed), 2))


@dataclass(frozen=True)
class EarlyTruth(HonestTruth):
    """Tells everything at once, before it has happened."""

    def open(self, *, seed):
        feed = super().open(seed=seed)
        feed.truth = np.concatenate(feed.truth), feed.truth[1][:0]
        return feed


@dataclass(frozen=True)
class PlainTruth(HonestTruth):
    """Tells a table of its own."""

    def open(self, *, seed):
        feed = super().open(seed=seed)
        feed.truth = tuple(np.ascontiguousarray(t[["row_ns", "latent"]]) for t in feed.truth)
        return feed


@dataclass(frozen=True)
class UnseededTruth(HonestTruth):
    """Tells something else each time."""

    def open(self, *, seed):
        events = markets.events(2000, seed)
        return TellingFeed(events, hidden(events, np.random.default_rng().integers(1 << 30)))


@dataclass(frozen=True)
class SameTruth(HonestTruth):
    """Tells the same of every market."""

    def open(self, *, seed):
        events = markets.events(2000, seed)
        return TellingFeed(events, hidden(events, 0))


class EchoFeed(TellingFeed):
    def __iter__(self):
        told = self.truth[0].copy()
        yield Batch(self.parts[0], truth=told)
        late = self.parts[1].copy()
        late["lots"] += (told["latent"][0] > -100) * (np.abs(told["latent"][0]) > 0)
        yield Batch(late, truth=self.truth[1])


@dataclass(frozen=True)
class EchoingTruth(HonestTruth):
    """Goes on from the truth that it has handed out."""

    def open(self, *, seed):
        events = markets.events(2000, seed)
        return EchoFeed(events, hidden(events, seed))


class ReadingFeed(TellingFeed):
    def __iter__(self):
        yield Batch(self.parts[0], truth=self.truth[0])
        told = self.truth[1].copy()
        told["pressure"] = self.parts[0]["lots"].mean()
        yield Batch(self.parts[1], truth=told)


@dataclass(frozen=True)
class ReadingTruth(HonestTruth):
    """Reads the truth from events that it has handed out."""

    def open(self, *, seed):
        events = markets.events(2000, seed)
        return ReadingFeed(events, hidden(events, seed))


@dataclass(frozen=True)
class NoOracle:
    """Tells the truth, and does not say what follows from it."""

    instrument = markets.INSTRUMENT

    def open(self, *, seed):
        return HonestTruth().open(seed=seed)

    def fingerprint(self):
        return ""


@dataclass(frozen=True)
class SilentOracle(HonestTruth):
    """Expects nothing at all where the state is below 0."""

    def oracle(self, truth, horizons_ns):
        expected = super().oracle(truth, horizons_ns)
        return np.where(expected > 0, expected, np.nan)


@dataclass(frozen=True)
class FlatOracle(HonestTruth):
    """Expects the same over every horizon, and says it once."""

    def oracle(self, truth, horizons_ns):
        return truth["latent"].copy()


@dataclass(frozen=True)
class SmoothingOracle(HonestTruth):
    """Expects what it expects on average."""

    def oracle(self, truth, horizons_ns):
        expected = super().oracle(truth, horizons_ns)
        return expected - expected.mean(axis=0)


@dataclass(frozen=True)
class TouchingOracle(HonestTruth):
    """Cuts the state at 1, in place."""

    def oracle(self, truth, horizons_ns):
        np.minimum(truth["latent"], 1.0, out=truth["latent"])
        return super().oracle(truth, horizons_ns)
