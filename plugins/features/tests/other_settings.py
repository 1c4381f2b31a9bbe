"""Settings other than the defaults, for every component: used by all tests, so that each is compiled once."""

OTHER = {
    "features/book": {
        "spread": False, "microprice_levels": [1, 20], "bands": ["2-9"], "depths": [3], "vwap_levels": [],
        "wall_levels": [7],
    },
    "features/returns": {"windows": [], "half_lives": [3, 9, 27]},
    "features/volatility": {
        "windows": [5, 12], "ratio_windows": [5, 20, 40], "bipower_windows": [10], "jump_windows": [9],
        "range_windows": [1, 20], "vol_of_vol_windows": [15, 40], "vol_of": 3,
    },
    "features/moments": {"zscore_windows": [10], "shape_windows": [20, 50], "autocorr_windows": [10, 30]},
    "features/calendar": {"hour": False},
    "features/trades": {
        "imbalance_windows": [3], "intensity_windows": [], "size_windows": [5, 200], "share_windows": [1, 7],
        "vwap_windows": [2], "z_windows": [2, 30], "run_length": False,
    },
    "features/impact": {
        "kyle_windows": [2, 30], "amihud_windows": [5], "effective_spread": False, "realized_horizons": [1, 12],
        "realized_window": 7, "notionals": [1000, 90000000],
    },
    "features/toxicity": {
        "vpin_buckets": [], "cancel_windows": [5, 100], "order_windows": [1], "flicker_windows": [300],
    },
    "features/flow": {"levels": [3], "norm_levels": [4], "window": 20, "half_lives": [2], "depletion": False},
    "features/pressure": {"levels": [3], "half_lives": [4, 20], "window": 25, "microprice_change": False},
    "features/shape": {"slope_levels": [5, 20], "convexity_levels": [], "gaps": False, "entropy_levels": [4]},
    "features/urgency": {"horizon": 5, "fill_half_life": 7, "adverse_half_life": 9, "window": 12, "levels": 3},
}  # fmt: skip
