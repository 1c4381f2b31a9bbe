from btcframe.testing import contract_tests

test_contract = contract_tests("btcframe_execution")
