"""The behaviour suites as a third party uses them, and stores that misbehave."""

import contextlib

import numpy as np
import pytest

from btcframe.errors import StoreError
from btcframe.stores.delta import Delta
from btcframe.testing import (
    ContractError,
    NotApplicable,
    SourceSuite,
    StoreSuite,
    TruthSuite,
    VenueSuite,
    sources,
    stores,
    venues,
)
from btcframe.testing.checks import check_light_import
from btcframe.venues.sim import Sim

from . import cheats


class Memory:
    """A store in memory: the least that passes."""

    def __init__(self):
        self.rows, self.sealed, self.claimed = {}, {}, set()

    @contextlib.contextmanager
    def claim(self, build, waiting):
        if build in self.claimed:
            waiting()
        self.claimed.add(build)
        try:
            yield
        finally:
            self.claimed.discard(build)

    def write(self, build, table, batch):
        kept = self.rows.setdefault((build, table), {})
        fresh = {r["row_ns"]: r for r in batch.to_pylist() if r["row_ns"] not in kept}
        if fresh and build in self.sealed:
            raise StoreError(f"{build} is sealed")
        kept.update(fresh)

    def seal(self, build, manifest):
        self.sealed[build] = manifest

    def builds(self):
        return self.sealed

    def discard(self, build):
        self.rows = {key: rows for key, rows in self.rows.items() if key[0] != build}

    def scan(self, build, table, columns=None, since=None, until=None):
        import pyarrow as pa

        if build not in self.sealed or (build, table) not in self.rows:
            raise StoreError(f"no {build}")
        rows = [r for _, r in sorted(self.rows[build, table].items())]
        whole = pa.Table.from_pylist(rows, schema=stores.table(0, 1).schema)
        if set(columns or ()) - set(whole.column_names):
            raise StoreError("no such column")
        ns = whole["row_ns"].to_numpy()
        whole = whole.filter(pa.array((ns >= (since or 0)) & (ns < (until or 2**63 - 1))))
        yield from whole.select(columns or whole.column_names).to_batches()


class Clinging(Memory):
    @contextlib.contextmanager
    def claim(self, build, waiting):
        if build in self.claimed:
            waiting()
        self.claimed.add(build)
        yield


class Doubling(Memory):
    def write(self, build, table, batch):
        kept = self.rows.setdefault((build, table), {})
        kept.update({(r["row_ns"], len(kept), i): r for i, r in enumerate(batch.to_pylist())})


class Unsealing(Memory):
    def scan(self, build, *args, **kwargs):
        self.sealed.setdefault(build, {})
        return super().scan(build, *args, **kwargs)


class Changing(Memory):
    def write(self, build, table, batch):
        sealed, self.sealed = self.sealed, {}
        super().write(build, table, batch)
        self.sealed = sealed


class Inclusive(Memory):
    def scan(self, build, table, columns=None, since=None, until=None):
        return super().scan(build, table, columns, since, until and until + 1)


class TestMemory(StoreSuite):
    def make(self, tmp_path):
        return Memory()


class TestDelta(StoreSuite):
    def make(self, tmp_path):
        return Delta(str(tmp_path / "lake"))


class TestSim(VenueSuite):
    def make(self):
        return Sim(latency="10ms")


class TestHonestSource(SourceSuite):
    def make(self):
        return cheats.HonestSource()


class TestHonestTruth(TruthSuite):
    def make(self):
        return cheats.HonestTruth()


@pytest.mark.parametrize(
    ("store", "check", "words"),
    [
        (Clinging, stores.check_claim, "waits for build a, which nobody makes"),
        (Doubling, stores.check_idempotent, "writes rows twice"),
        (Unsealing, stores.check_unsealed, "reads a build that is not sealed"),
        (Changing, stores.check_immutable, "adds rows to a sealed build"),
        (Inclusive, stores.check_scan, "since <= row_ns < until"),
    ],
)
def test_a_store_that_misbehaves(store, check, words):
    with pytest.raises(ContractError, match=words):
        check(store())


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
