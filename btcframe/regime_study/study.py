"""All that a comparison of regimes finds, as plain values: the file of a run that its page is made from."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from btcframe.regime_study import ahead, views, worth
from btcframe.regime_study.agreement import Agreement, agreement
from btcframe.regime_study.rows import Rows
from btcframe.regime_study.verdict import verdict
from btcframe.regime_study.visits import Labels, Visits, flicker, transitions, visits
from btcframe.regime_study.walk import Method, Told, Walked
from btcframe.report.metrics import Estimate
from btcframe.report.regimes_page import VERSION
from btcframe.types import Floats

DWELL = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Quantiles of the dwell that are told."""


def study(
    rows: Rows,
    forward: Floats,
    found: Sequence[Method],
    walked: Walked,
    *,
    source: str,
    later: int,
    seed: int,
) -> dict[str, Any]:
    """Plain values for `regimes.json`: what is not known is null.

    Parameters
    ----------
    rows : Rows
    forward : float64[n, h]       see `ahead.realised`
    found : sequence of Method    in the order of the config
    walked : Walked
    source : str                  name of its plugin
    later : int                   rows
    seed : int                    of the bootstrap
    """
    samples = [worth.sample(rows, forward, walked, h) for h in range(len(rows.horizons_ns))]
    longest = samples[int(np.argmax(rows.horizons_ns))]
    explained = worth.explained(rows, forward, walked, longest, seed=seed)
    added = worth.added(rows, forward, walked, longest, seed=seed)
    directed = [worth.directed(rows, forward, walked, on, seed=seed) for on in samples]
    test = walked.test
    said = verdict(found[0].name, explained, added, directed, rows.horizons_ns, walked.left_out)
    kept = [m for m in found if m.name in walked.told]
    plain = {
        "version": VERSION,
        "symbol": rows.symbol,
        "source": source,
        "period_ns": rows.period_ns,
        "horizons_ns": list(rows.horizons_ns),
        "longest": longest.horizon,
        "later": later,
        "quiet": ahead.QUIET,
        "rows": len(rows.row_ns),
        "test_rows": test.stop - test.start,
        "judged_rows": [on.rows for on in samples],
        "blocks": [on.blocks for on in samples],
        "first_ns": int(rows.row_ns[test.start]),
        "last_ns": int(rows.row_ns[test.stop - 1]),
        "starts_ns": [int(rows.row_ns[at]) for at in walked.starts],
        "first": found[0].name,
        "added": added,
        "verdict": said._asdict(),
        "left_out": dict(walked.left_out),
        "methods": [
            _method(rows, forward, walked, method, samples, explained, directed, later, seed)
            for method in kept
        ],
        "pairs": [
            _pair(walked, a.name, b.name, explained.difference[a.name, b.name])
            for a, b in itertools.combinations(kept, 2)
        ],
        "price": views.price(rows, walked),
        "stretch": views.stretch(rows, walked),
    }
    known: dict[str, Any] = _known(plain)
    return known


def _method(
    rows: Rows, forward: Floats, walked: Walked, method: Method, samples: Sequence[worth.Sample],
    explained: worth.Compared, directed: Sequence[worth.Compared], later: int, seed: int,
) -> dict[str, Any]:  # fmt: skip
    told = walked.told[method.name]
    label = told.at[walked.test]
    stays = visits(label)
    revised_of, revised = worth.revised(rows, walked, method.name, later, seed=seed)
    followed = [worth.followed(rows, forward, walked, method.name, on, seed=seed) for on in samples]
    return {
        "name": method.name,
        "plugin": method.plugin,
        "labels": list(told.labels),
        "unknown": int((label < 0).sum()),
        "visits": len(stays.label),
        "flicker": flicker(stays),
        "mean_dwell": float(stays.rows.mean()) if len(stays.rows) else math.nan,
        "revised": {
            **revised._asdict(),
            "rows": revised_of,
            "why": told.unrevised or ("" if revised_of else "no row is asked for again within its fold"),
        },
        "explained": explained.value[method.name],
        "ic": [compared.value[method.name] for compared in directed],
        "regimes": [
            _regime(told, label, stays, r, [f[r] for f in followed]) for r in range(len(told.labels))
        ],
        "transitions": transitions(stays, len(told.labels)),
        "truth": _truth(rows, walked, told),
    }


def _regime(
    told: Told, label: Labels, stays: Visits, r: int, followed: Sequence[worth.Followed]
) -> dict[str, Any]:
    mine = stays.rows[stays.label == r]
    known = int((label >= 0).sum())
    return {
        "label": told.labels[r],
        "rows": int(mine.sum()),
        "share": int(mine.sum()) / known if known else math.nan,
        "visits": len(mine),
        "dwell": {
            "mean": float(mine.mean()) if len(mine) else math.nan,
            "quantiles": np.quantile(mine, DWELL) if len(mine) else [],
        },
        "followed": [f._asdict() for f in followed],
    }


def _truth(rows: Rows, walked: Walked, told: Told) -> Agreement | None:
    """Agreement with the state that a synthetic market was in; None where it is not told."""
    if rows.truth is None:
        return None
    true = rows.truth[walked.test]
    return (
        agreement(told.at[walked.test], true, (len(told.labels), int(true.max()) + 1))
        if true.max() >= 0
        else None
    )


def _pair(walked: Walked, first: str, second: str, difference: Estimate) -> dict[str, Any]:
    a, b = (walked.told[name] for name in (first, second))
    both = agreement(a.at[walked.test], b.at[walked.test], (len(a.labels), len(b.labels)))
    return {"first": first, "second": second, "difference": difference, "agreement": both}


def _known(value: Any) -> Any:
    """Plain values for JSON: tuples with names become objects, arrays lists, and what is not finite null."""
    if isinstance(value, np.ndarray):
        return _known(value.tolist())
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _known(value._asdict())
    if isinstance(value, dict):
        return {key: _known(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_known(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
