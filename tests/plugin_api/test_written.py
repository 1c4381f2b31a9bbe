"""A plugin that was written in November 2026, with a component of every slot, is used as it stands."""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from btcframe.api import SessionEvent
from btcframe.plugins import Catalog, discover
from btcframe.slots import SLOTS
from btcframe.testing import NotApplicable, cases, checks_of
from btcframe.testing.stores import together

WRITTEN = Path(__file__).with_name("written_2026_11")
DIGEST = "f13d440dcc081d1e"
"""Of its files: it is not to be changed, whatever changes around it."""

ELSEWHERE = {"light_import", *(check.__name__.removeprefix("check_") for check in together.CHECKS)}
"""What takes other processes, and seconds."""


@pytest.fixture(scope="module")
def plugin() -> Iterator[ModuleType]:
    sys.path.insert(0, str(WRITTEN))
    try:
        yield importlib.import_module("acme_all")
    finally:
        sys.path.remove(str(WRITTEN))
        for name in [n for n in sys.modules if n.partition(".")[0] == "acme_all"]:
            del sys.modules[name]


@pytest.fixture(scope="module")
def catalog(plugin: ModuleType) -> Catalog:
    return discover(extra=[("acme_all", plugin)])


def test_nobody_has_touched_it() -> None:
    digest = hashlib.sha256()
    for file in sorted(p for p in WRITTEN.rglob("*") if p.suffix in (".py", ".yaml")):
        digest.update(f"{file.relative_to(WRITTEN)}\n".encode() + file.read_bytes())
    assert digest.hexdigest()[:16] == DIGEST, (
        "what was written then is what must still work: leave it as it was"
    )


def test_it_is_loaded_whole(plugin: ModuleType, catalog: Catalog) -> None:
    assert catalog.failures == ()
    assert {slot for slot in SLOTS if "acme_all" in catalog.names(slot)} == set(plugin.btcframe_components())
    assert "pkg://acme_all.conf" in catalog.config_paths
    catalog.notify(SessionEvent("run_started", 7, "r", {"a": 1}))
    assert plugin.HEARD[-1] == ("run_started", 7, "r", {"a": 1})


@pytest.mark.parametrize(
    "slot", ["source", "clock", "store", "features", "regime", "label", "model", "policy", "risk", "venue"]
)
def test_it_keeps_the_contract(slot: str, catalog: Catalog) -> None:
    found = [case for case in cases("acme_all", catalog) if case.component == f"{slot}/acme_all"]
    assert len(found) == len(checks_of(slot))
    for case in found:
        if case.check in ELSEWHERE:
            continue
        try:
            case.run()
        except NotApplicable:
            assert slot == "source"  # one of events, which tells no truth
