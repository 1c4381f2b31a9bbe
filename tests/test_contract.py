"""The core's own components keep the contract, like anyone's."""

from __future__ import annotations

from btcframe.testing import contract_tests

test_contract = contract_tests("btcframe")
