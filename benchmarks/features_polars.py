"""The features as one writes them with polars: one lazy query of expressions, run by as many threads as polars likes.

By the same rules as `features_pandas`. Levels are columns, `bid_sz_1`…, which is polars' own form: sums across them are
vectorised, and common parts of expressions are computed once. A missing value is null.

`python -m benchmarks.features_polars FILE [SECONDS]` is the process of its own that `benchmarks.features` starts with
POLARS_MAX_THREADS=1: the number of threads is fixed once polars is imported.
"""

from __future__ import annotations

import math

import polars as pl

from benchmarks.features_pandas import SCALARS, least

MID = pl.col("mid")


def frame(rows):
    """The rows as polars likes them, made before anything is timed."""
    values = {"row_ns": rows["row_ns"].copy()} | {name: rows[name].copy() for name in SCALARS}
    for name, levels in (("bid_px", 20), ("bid_sz", 20), ("ask_px", 20), ("ask_sz", 20), ("ofi", 10)):
        values |= {f"{name}_{i}": rows[name][:, i - 1].copy() for i in range(1, levels + 1)}
    return pl.DataFrame(values).with_row_index("row").fill_nan(None)


def columns(data, instrument):
    """All columns, by name."""
    return _query(data.lazy(), float(instrument.tick), instrument.funding_ns).collect()


def level(name, i):
    return pl.col(f"{name}_{i}")


def total(name, low, high):
    """Σ of a field of levels low…high; null where one is missing."""
    return pl.sum_horizontal([f"{name}_{i}" for i in range(low, high + 1)], ignore_nulls=False)


def value(side, high):
    """Notional of the first levels."""
    return total(f"{side}_value", 1, high)


def ratio(over, under):
    """over/under, 0 where the denominator is empty, which a running sum shows as a few last digits."""
    return pl.when(under.abs() < 1e-12).then(0 * over).otherwise(over / under)


def own(x, value, warm):
    """A value only where the row itself has one, and from row `warm` on."""
    return pl.when(x.is_not_null() & (pl.col("row") >= warm)).then(value)


def roll(x, n, what="mean", warm=None, **more):
    """A statistic of the last n rows."""
    value = getattr(x, f"rolling_{what}")(n, min_samples=least(n), **more)
    return own(x, value, n if warm is None else warm)


def ewm(x, half_life, warm=None):
    return own(x, x.ewm_mean(half_life=half_life, ignore_nulls=False), half_life if warm is None else warm)


def correlation(x, n):
    """Of the pairs (x_s, x_{s−1}) of the last n rows."""
    before = pl.when(x.is_not_null()).then(x.shift())
    x = pl.when(before.is_not_null()).then(x)
    value = pl.rolling_corr(x, before, window_size=n, min_samples=least(n))
    return own(
        x,
        pl.when(roll(x, n, warm=0).is_not_null()).then(pl.when(value.is_finite()).then(value).otherwise(0.0)),
        n + 1,
    )


def zscore(x, n, warm=None):
    return ratio(x - roll(x, n, warm=warm), roll(x, n, "std", warm))


def _query(data, tick, funding_ns):
    log = MID.log()
    net, volume = pl.col("buy_volume") - pl.col("sell_volume"), pl.col("buy_volume") + pl.col("sell_volume")
    since = log - log.first()
    data = data.with_columns(r=log.diff(), log=log, since=since, net=net, volume=volume)
    # windows want their groups as columns: runs of net volume of one sign, stretches of an equal mid
    signed, known = pl.when(net.sign() != 0).then(net.sign()), MID.forward_fill()
    moved = (known != known.shift()).fill_null(True)
    data = data.with_columns(signed=signed, stretch=net.is_null().cum_sum(), still=moved.cum_sum())
    data = data.with_columns(way=pl.col("signed").forward_fill().over("stretch"))
    turned = (pl.col("way") != pl.col("way").shift()) | pl.col("way").shift().is_null()
    data = data.with_columns(run=turned.fill_null(False).cum_sum())
    # what many columns share is made once: an engine that finds it by itself took twice the time
    values, sums = {}, {}
    for side in ("bid", "ask"):
        for i in range(1, 21):
            values[f"{side}_value_{i}"] = level(f"{side}_px", i) * level(f"{side}_sz", i)
            values[f"{side}_ticks_{i}"] = (level(f"{side}_px", i) - MID).abs() / tick
            sums[f"{side}_before_{i}"] = pl.sum_horizontal(
                [f"{side}_value_{j}" for j in range(1, i)] or pl.lit(0.0)
            )
        for i in range(1, 11):
            sums[f"{side}_held_{i}"] = total(f"{side}_sz", 1, i)
    data = data.with_columns(**values).with_columns(**sums)
    data = data.with_columns(bid_slope=_slope("bid"), ask_slope=_slope("ask"))
    stages = (
        _book(),
        _returns(),
        _volatility(),
        _moments(),
        _calendar(funding_ns),
        _trades(),
        _impact(),
        _flow(),
    )
    out = {name: e for stage in stages for name, e in stage.items()}
    out |= _shape(tick) | _pressure() | _toxicity() | _urgency()
    return data.select(**out)


def _book():
    bids, asks = total("bid_sz", 1, 5), total("ask_sz", 1, 5)
    micro = (value("ask", 5) / asks * bids + value("bid", 5) / bids * asks) / (bids + asks)
    out = {
        "spread_bps": 1e4 * (level("ask_px", 1) - level("bid_px", 1)) / MID,
        "microprice_5_gap_bps": 1e4 * (micro - MID) / MID,
    }
    for name, low, high in (("1", 1, 1), ("2_3", 2, 3), ("4_5", 4, 5), ("6_10", 6, 10), ("11_20", 11, 20)):
        bids, asks = total("bid_sz", low, high), total("ask_sz", low, high)
        out[f"imbalance_{name}"] = (bids - asks) / (bids + asks)
    for k in (5, 20):
        out |= {f"depth_{side}_{k}": value(side, k).log1p() for side in ("bid", "ask")}
    out["depth_ratio_5_20"] = (value("bid", 5) + value("ask", 5)) / (value("bid", 20) + value("ask", 20))
    for side, sign in (("bid", 1), ("ask", -1)):
        vwap = value(side, 10) / total(f"{side}_sz", 1, 10)
        out[f"vwap_gap_{side}_10_bps"] = sign * 1e4 * (MID - vwap) / MID
    walls = [
        pl.when(level(f"{s}_sz", 20).is_not_null()).then(
            pl.max_horizontal([f"{s}_sz_{i}" for i in range(1, 21)]) / total(f"{s}_sz", 1, 20)
        )
        for s in ("bid", "ask")
    ]
    out["wall_imbalance"] = walls[0] - walls[1]
    return out


def _returns():
    out = {f"log_return_{n}": pl.col("log").diff(n) for n in (1, 5, 10, 30, 60, 300)}
    out["ema_gap_fast"] = (ewm(MID, 10, 59) / ewm(MID, 60, 59)).log()
    out["ema_gap_slow"] = (ewm(MID, 60, 599) / ewm(MID, 600, 599)).log()
    return out


def _rv(n):
    return (n * roll(pl.col("r") ** 2, n)).clip(0).sqrt()


def _volatility():
    near, wide = _rv(30) / math.sqrt(30), _rv(300) / math.sqrt(300)
    reach = (roll(pl.col("mid_high"), 60, "max") / roll(pl.col("mid_low"), 60, "min")).log()
    return {f"rv_{n}": _rv(n) for n in (10, 30, 60, 300)} | {
        "vol_ratio_30_300": pl.when(wide == 0).then(1.0).otherwise(near / wide),
        "parkinson_60": reach / math.sqrt(4 * math.log(2)),
        "vol_of_vol_60": roll(_rv(10), 60, "std", 69),
    }


def _moments():
    r = pl.col("r")
    return {
        "zscore_60": zscore(pl.col("since"), 60, 59),
        "zscore_300": zscore(pl.col("since"), 300, 299),
        "skew_300": roll(r, 300, "skew").fill_nan(0),
        "kurt_300": roll(r, 300, "kurtosis").fill_nan(0),
        "autocorr_60": correlation(r, 60),
    }


def _calendar(funding_ns):
    out = {}
    for name, period in (("hour", 86_400 * 10**9), ("funding", funding_ns)):
        angle = 2 * math.pi * (pl.col("row_ns") % period) / period
        out |= {f"{name}_sin": angle.sin(), f"{name}_cos": angle.cos()}
    return out


def _trades():
    number, notional = (
        pl.col("buy_count") + pl.col("sell_count"),
        pl.col("buy_notional") + pl.col("sell_notional"),
    )
    net, volume = pl.col("net"), pl.col("volume")
    out = {"trade_imbalance_1": ratio(net, volume)}
    for n in (10, 60):
        out[f"trade_imbalance_{n}"] = ratio(roll(net, n, "sum"), roll(volume, n, "sum"))
        out[f"trade_intensity_{n}"] = roll(number, n)
    traded = roll(volume, 60, "sum")
    out["mean_trade_size_60"] = ratio(traded, roll(number, 60, "sum"))
    out["large_trade_share_60"] = ratio(roll(pl.col("max_trade"), 60, "max"), traded)
    gap = 1e4 * (MID - roll(notional, 60, "sum") / traded) / MID
    out["trade_vwap_gap_60_bps"] = pl.when(traded == 0).then(0 * MID).otherwise(gap)
    out["signed_volume_z_60"] = zscore(net, 60)
    count = pl.col("signed").is_not_null().cum_sum().over("run")  # a row that is not known ends a run
    out["trade_run_length"] = pl.col("way").fill_null(0) * count + 0 * net
    return out


def _spread():
    paid = 2e4 * pl.col("signed_cost") / (pl.col("volume") * MID)
    known = (pl.col("volume") + pl.col("signed_cost") + MID).is_not_null()
    return pl.when(known).then(pl.when(pl.col("volume") > 0).then(paid).forward_fill())


def _impact():
    r, net, volume = pl.col("r"), pl.col("net"), pl.col("volume")
    bps, signed = pl.when(net.is_not_null()).then(1e4 * r), pl.when(r.is_not_null()).then(net)
    slope = own(bps, pl.rolling_cov(signed, bps, window_size=60, min_samples=48, ddof=1), 60)
    notional = pl.when(r.is_not_null()).then(pl.col("buy_notional") + pl.col("sell_notional"))
    move = pl.when(notional.is_not_null()).then(r.abs())
    paid = (pl.col("buy_notional") - pl.col("sell_notional")).shift(10) - net.shift(10) * MID
    before = pl.when(paid.is_not_null()).then(volume.shift(10))
    return {
        "kyle_lambda_60": ratio(slope, roll(signed, 60, "var")),
        "amihud_60": 1e9 * ratio(roll(move, 60, "sum"), roll(notional, 60, "sum")),
        "effective_spread_bps": _spread(),
        "realized_spread_10_bps": 2e4 * ratio(roll(paid, 60, "sum", 70), roll(before, 60, "sum", 70)) / MID,
        "cost_to_buy_bps": _cost("ask", 250_000),
        "cost_to_sell_bps": -_cost("bid", 250_000),
    }


def _cost(side, notional):
    taken = [
        pl.min_horizontal((notional - level(f"{side}_before", i)).clip(0), level(f"{side}_value", i))
        for i in range(1, 21)
    ]
    rest = notional - pl.sum_horizontal(taken, ignore_nulls=False)
    filled = [value / level(f"{side}_px", i) for i, value in enumerate(taken, 1)]
    size = pl.sum_horizontal(filled, ignore_nulls=False) + rest / level(f"{side}_px", 20)
    return 1e4 * (notional / size - MID) / MID


def _flow():
    first = pl.col("ofi_1")
    depth = (total("bid_sz", 1, 10) + total("ask_sz", 1, 10)) / 20
    bids, asks = pl.col("add_bid") - pl.col("rem_bid"), pl.col("add_ask") - pl.col("rem_ask")
    moved = pl.col("add_bid") + pl.col("rem_bid") + pl.col("add_ask") + pl.col("rem_ask")
    gone = [ratio(pl.col(f"rem1_{s}"), level(f"{s}_sz", 1) + pl.col(f"rem1_{s}")) for s in ("bid", "ask")]
    return {
        "ofi_1": first,
        "ofi_5": total("ofi", 1, 5) / 5,
        "ofi_norm_10": total("ofi", 1, 10) / 10 / roll(depth, 60, warm=59),
        "net_flow_10": ratio(ewm(bids - asks, 5), ewm(moved, 5)),
        "ofi_z_60": zscore(first, 60),
        "ofi_ewm_5": ewm(first, 5),
        "ofi_ewm_30": ewm(first, 30),
        "ofi_persistence_60": correlation(first, 60),
        "depletion_asymmetry": gone[1] - gone[0],
    }


def _slope(side):
    mean = total(f"{side}_ticks", 1, 10) / 10
    distances = [level(f"{side}_ticks", i) - mean for i in range(1, 11)]
    over = [d * level(f"{side}_held", i) for i, d in enumerate(distances, 1)]
    return pl.sum_horizontal(over, ignore_nulls=False) / pl.sum_horizontal([d * d for d in distances])


def _shape(tick):
    bid, ask = pl.col("bid_slope"), pl.col("ask_slope")
    size = total("bid_sz", 1, 20) + total("ask_sz", 1, 20)
    sizes = [level(f"{side}_sz", i) for side in ("bid", "ask") for i in range(1, 21)]
    weighted = pl.sum_horizontal([x * x.log() for x in sizes], ignore_nulls=False)
    return {
        "slope_bid": bid,
        "slope_ask": ask,
        "slope_asymmetry": (bid - ask) / (bid + ask),
        "gap_bid": ((level("bid_px", 1) - level("bid_px", 2)) / tick).round(),
        "gap_ask": ((level("ask_px", 2) - level("ask_px", 1)) / tick).round(),
        "book_entropy": (size.log() - weighted / size) / math.log(40),
    }


def _weighted(side, low, high):
    """Σ w·size, w = 1/(1 + ticks from m)."""
    terms = [level(f"{side}_sz", i) / (1 + level(f"{side}_ticks", i)) for i in range(low, high + 1)]
    return pl.sum_horizontal(terms, ignore_nulls=False)


def _lean(low, high):
    bids, asks = _weighted("bid", low, high), _weighted("ask", low, high)
    return (bids - asks) / (bids + asks)


def _pressure():
    bid, ask = level("bid_sz", 1), level("ask_sz", 1)
    micro = ((level("ask_px", 1) - MID) * bid + (level("bid_px", 1) - MID) * ask) / (bid + ask)
    bids, asks = total("bid_sz", 1, 5), total("ask_sz", 1, 5)
    leaning = (bids - asks) / (bids + asks)
    out = {
        "price_pressure_2_5": _lean(2, 5),
        "price_pressure_2_10": _lean(2, 10),
        "microprice_gap_change_bps": (1e4 * micro / MID).diff(),
        "imbalance_velocity": leaning - ewm(leaning, 10, 9),
    }
    for side in ("bid", "ask"):
        added, removed = (roll(pl.col(f"{way}_{side}"), 10, "sum") for way in ("add", "rem"))
        out[f"replenishment_{side}"] = ratio(added - removed, added + removed)
    return out


def _toxicity():
    def sums(name):
        return roll(pl.col(name), 60, "sum")

    number = roll(pl.col("buy_count") + pl.col("sell_count"), 60, "sum")
    hit = {"bid": "sell", "ask": "buy"}
    out = {
        f"cancel_rate_{side}": ratio(sums(f"rem_{side}") - sums(f"{by}_volume"), sums(f"rem_{side}")).clip(0)
        for side, by in hit.items()
    }
    out["order_to_trade_60"] = sums("changes") / number.clip(1)
    out["quote_flicker_60"] = ratio(sums("mid_reversals"), sums("mid_moves"))
    return out


def _urgency():
    signed = pl.col("net").shift(10).sign()
    move = signed * 1e4 * MID.diff(10) / MID
    followed = pl.when(signed != 0).then(move).ewm_mean(half_life=60, ignore_nulls=False).forward_fill()
    followed = own(move, followed, 70)
    age = pl.int_range(pl.len()).over("still")
    x = _lean(1, 5).abs() * 1e4 * _rv(30) * math.sqrt(10 / 30) + followed - _spread() / 2
    return {
        "fill_probability_bid": 1 - (-10 * ewm(pl.col("sell_volume"), 30) / level("bid_sz", 1)).exp(),
        "fill_probability_ask": 1 - (-10 * ewm(pl.col("buy_volume"), 30) / level("ask_sz", 1)).exp(),
        "adverse_selection_10_bps": followed,
        "mid_age": own(MID, age.log1p(), 1),
        "execution_urgency": 1 / (1 + (-x).exp()),
    }
