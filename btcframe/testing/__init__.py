"""The contract, for authors: checks that name cause and cure.

In a plugin's tests, one line::

    from btcframe.testing import contract_tests
    test_contract = contract_tests("acme_alpha")      # ids: features/ofi-causal, model/ridge-save_load, …

From the command line, `btcframe plugins check acme_alpha`; in a notebook, `features.check_causal(OrderFlow())`. Each
slot has a module of checks; `markets` makes the rows and events they run on. Sources, venues and stores that need
more than a default config subclass a suite. pytest is needed by `contract_tests` only.
"""

from __future__ import annotations

from btcframe.testing.checks import ContractError, NotApplicable
from btcframe.testing.contract import Case, CheckResult, cases, checks_of, contract_tests, run_checks
from btcframe.testing.sources import EnterableSuite, RowSourceSuite, SourceSuite, TruthSuite
from btcframe.testing.stores import StoreSuite
from btcframe.testing.venues import VenueSuite

__all__ = [
    "Case",
    "CheckResult",
    "ContractError",
    "EnterableSuite",
    "NotApplicable",
    "RowSourceSuite",
    "SourceSuite",
    "StoreSuite",
    "TruthSuite",
    "VenueSuite",
    "cases",
    "checks_of",
    "contract_tests",
    "run_checks",
]
