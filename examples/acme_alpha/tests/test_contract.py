"""The contract every plugin must hold: causality, batch/stream parity, determinism, restart."""

from btcframe.testing import contract_tests

test_contract = contract_tests("acme_alpha")
