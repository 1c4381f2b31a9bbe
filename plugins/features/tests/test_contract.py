from btcframe.testing import contract_tests

from .other_settings import OTHER

test_contract = contract_tests("btcframe_features")
test_contract_with_other_settings = contract_tests("btcframe_features", settings=OTHER)
