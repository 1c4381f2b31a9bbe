"""The behaviour suites as a third party uses them; that of stores is in test_store_suite.py."""

import numpy as np
import pytest

from btcframe.errors import StoreError
from btcframe.testing import (
    ContractError,
    NotApplicable,
    SourceSuite,
    TruthSuite,
    VenueSuite,
    sources,
    venues,
)
from btcframe.testing.checks import check_light_import
from btcframe.venues.sim import Sim

from . import cheats


class TestSim(VenueSuite):
    def make(self):
        return Sim(latency="10ms")


class TestHonestSource(SourceSuite):
    def make(self):
        return cheats.HonestSource()


class TestHonestTruth(TruthSuite):
    def make(self):
        return cheats.HonestTruth()


def test_a_venue_that_stands_still():
    class Still:
        def open(self, instrument, *, seed):
            return self

        def submit(self, order_id, intent, now_ns):
            pass

        def advance(self, events, until_ns):

            from btcframe.api import Reports
            from btcframe.types import FILL, ORDER

            return 0, Reports(np.empty(0, ORDER), np.empty(0, FILL))

    with pytest.raises(ContractError, match="stands still at event 0"):
        venues.check_market_order(Still())


def test_a_source_that_cannot_be_opened_is_skipped():
    class Broken(cheats.HonestSource):
        def open(self, *, seed):
            raise StoreError("no file")

    with pytest.raises(NotApplicable, match="no file"):
        sources.check_order(Broken())


@pytest.mark.parametrize(
    "check",
    [sources.check_truth_form, sources.check_truth_seeded, sources.check_truth_apart, sources.check_oracle],
)
def test_a_source_without_truth_is_not_asked_for_any(check):
    with pytest.raises(NotApplicable, match="tells no truth"):
        check(cheats.HonestSource())


def test_what_cannot_be_imported_is_skipped():
    namespace = {"__module__": "nowhere_to_be_found.inside"}
    with pytest.raises(NotApplicable, match="nowhere_to_be_found"):
        check_light_import(type("Loose", (), namespace)())
