from btcframe.testing import contract_tests

test_contract = contract_tests("btcframe_features")
test_contract_with_other_settings = contract_tests(
    "btcframe_features",
    settings={
        "features/book": {
            "spread": False, "microprice_levels": [1, 20], "bands": ["2-9"], "depths": [3], "vwap_levels": [],
            "wall_levels": [7],
        },
        "features/returns": {"windows": [], "half_lives": [3, 9, 27]},
    },
)  # fmt: skip
