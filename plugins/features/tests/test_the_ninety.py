"""The 90 columns of the defaults, by name: models and other people's SQL depend on them."""

from __future__ import annotations

from btcframe_features import btcframe_components

NAMES = {
    "book": "spread_bps microprice_5_gap_bps imbalance_1 imbalance_2_3 imbalance_4_5 imbalance_6_10 imbalance_11_20 "
    "depth_bid_5 depth_ask_5 depth_bid_20 depth_ask_20 depth_ratio_5_20 vwap_gap_bid_10_bps vwap_gap_ask_10_bps "
    "wall_imbalance",
    "returns": "log_return_1 log_return_5 log_return_10 log_return_30 log_return_60 log_return_300 ema_gap_fast "
    "ema_gap_slow",
    "volatility": "rv_10 rv_30 rv_60 rv_300 vol_ratio_30_300 bipower_60 jump_share_60 parkinson_60 vol_of_vol_60",
    "trades": "trade_imbalance_1 trade_imbalance_10 trade_imbalance_60 trade_intensity_10 trade_intensity_60 "
    "mean_trade_size_60 large_trade_share_60 trade_vwap_gap_60_bps signed_volume_z_60 trade_run_length",
    "moments": "zscore_60 zscore_300 skew_300 kurt_300 autocorr_60",
    "calendar": "hour_sin hour_cos funding_sin funding_cos",
    "flow": "ofi_1 ofi_5 ofi_norm_10 net_flow_10 ofi_z_60 ofi_ewm_5 ofi_ewm_30 ofi_persistence_60 "
    "depletion_asymmetry",
    "shape": "slope_bid slope_ask slope_asymmetry convexity_bid convexity_ask gap_bid gap_ask book_entropy",
    "pressure": "price_pressure_2_5 price_pressure_2_10 microprice_gap_change_bps imbalance_velocity "
    "replenishment_bid replenishment_ask",
    "impact": "kyle_lambda_60 amihud_60 effective_spread_bps realized_spread_10_bps cost_to_buy_bps cost_to_sell_bps",
    "toxicity": "vpin_50 cancel_rate_bid cancel_rate_ask order_to_trade_60 quote_flicker_60",
    "urgency": "fill_probability_bid fill_probability_ask adverse_selection_10_bps mid_age execution_urgency",
}


def test_every_family_writes_its_columns_in_this_order() -> None:
    components = btcframe_components()["features"]
    assert components.keys() == NAMES.keys()
    for family, names in NAMES.items():
        columns = components[family]().columns()
        assert [column.name for column in columns] == names.split()
        assert {column.family for column in columns} == {family}


def test_they_are_ninety() -> None:
    names = " ".join(NAMES.values()).split()
    assert len(names) == len(set(names)) == 90
