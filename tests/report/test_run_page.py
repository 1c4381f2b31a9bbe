"""What the page of a run says and how it is made, without a browser."""

from __future__ import annotations

import base64
import itertools
import json
import re
from html import unescape
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from btcframe.learning.predictions import PREDICTIONS
from btcframe.report.outcomes import likeliest
from btcframe.report.page import PAGE
from btcframe.report.plots import resolved
from btcframe.report.words import number, percent
from btcframe.sessions.reporting import gather
from btcframe.sessions.session import TABLES
from btcframe.trading.audit import load_tables
from btcframe.truth import read_truth
from btcframe.types import duration_name

CSS = (resources.files("btcframe.report") / "page_files" / "page.css").read_text()


def variables(block: str) -> dict[str, str]:
    return dict(re.findall(r"(--[\w-]+): ([^;]+);", block))


LIGHT = variables(CSS[: CSS.index("@media screen")])
DARK = LIGHT | variables(CSS[CSS.index("@media screen") : CSS.index("*, *::before")])


@pytest.fixture(scope="module")
def page(finished: Path) -> str:
    return (finished / PAGE).read_text()


@pytest.fixture(scope="module")
def text(page: str) -> str:
    body = re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL)
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)))


def specs(page: str) -> dict[str, Any]:
    found = re.findall(
        r'<figure id="([^"]+)">.*?<script type="application/json">(.*?)</script>', page, re.DOTALL
    )
    return {name: json.loads(values) for name, values in found}


def unpacked(array: Any) -> np.ndarray:
    if isinstance(array, dict):
        return np.frombuffer(base64.b64decode(array["bdata"]), array["dtype"])
    return np.array(array, float)


def test_every_section_and_number_is_there(page: str, text: str, finished: Path) -> None:
    manifest = json.loads((finished / "manifest.json").read_text())
    told = manifest["results"]["report"]
    assert told["page"] == PAGE
    assert told["verdict"]["answer"] == "not enough data"
    assert "Evidence of an edge after costs: not enough data" in text
    assert told["verdict"]["sentence"][3:] in text
    for words in (
        "Net result", "Net per hour", "Fees", "Deepest drawdown", "Round trips", "Position held", "Turnover",
        "Maker share", "Slippage", "need at least 30 days of trading", "Blocks in which the account moved",
        "right signs", "oracle's IC", "share of it found", "true state", "Warm-up", "purged and embargoed",
        "No label", "Not modelled: margin and liquidation", "Fill ratio", "Markout", "May not (IOC, FOK, market)", "maker_fee_bps=0.0", "Seed",
        manifest["git"]["commit"][:12] if manifest["git"] else "not a checkout", manifest["config_hash"][:16],
        manifest["results"]["build"]["id"], manifest["results"]["backtest"]["fingerprint"][:16],
    ):  # fmt: skip
        assert words in text, words


def test_every_figure_is_one_that_plotly_knows(page: str) -> None:
    go = pytest.importorskip("plotly.graph_objects")
    found = specs(page)
    assert {
        "money",
        "price",
        "close-up",
        "slippage",
        "ic",
        "calibration",
        "oracle",
        "outcome-5s",
    } <= found.keys()
    for name, spec in found.items():
        assert not re.search(r"var\(", json.dumps(resolved(spec, LIGHT))), name
        go.Figure(resolved(spec, LIGHT))  # an unknown property is an error


def test_the_equity_curve_ends_at_the_net_result(page: str, finished: Path) -> None:
    equity = load_tables(finished / TABLES)["equity"]["equity"]
    result, fall, *_ = specs(page)["money"]["data"]
    y = unpacked(result["y"])
    assert y[-1] == pytest.approx(equity[-1] - 50_000)
    assert (y.min(), y.max()) == pytest.approx((equity.min() - 50_000, equity.max() - 50_000))
    told = json.loads((finished / "manifest.json").read_text())["results"]["backtest"]
    assert -unpacked(fall["y"]).min() == pytest.approx(told["max_drawdown"])


def rows_of(page: str, section: str) -> list[list[str]]:
    """Texts of the cells of every table row from the beginning of a section on."""
    after = page[page.index(f'id="{section}"') :]
    rows = re.findall(r"<tr.*?</tr>", after, re.DOTALL)
    cells = (re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL) for row in rows)
    return [[unescape(re.sub(r"<[^>]+>", "", cell)) for cell in row] for row in cells]


def test_rows_left_out_are_counted(page: str, finished: Path, catalog: Any) -> None:
    manifest = json.loads((finished / "manifest.json").read_text())
    rows = rows_of(page, "rows")
    folds = manifest["results"]["train"]["folds"]
    before = manifest["results"]["build"]["rows"] - sum(f["test_rows"] for f in folds)
    for f in folds:
        counts = [f"{n:,}" for n in (f["train_rows"], before - f["train_rows"], f["test_rows"])]
        assert [str(f["index"] + 1), *counts] in [row[:4] for row in rows]
        before += f["test_rows"]
    for o in gather(finished, manifest, catalog).outcomes:
        assert o.predicted != o.labelled
        counts = [f"{n:,}" for n in (o.rows, o.rows - o.predicted, o.rows - o.labelled, o.both)]
        assert [duration_name(o.horizon_ns), *counts] in rows


def test_true_regimes_stand_against_those_found(finished: Path, catalog: Any) -> None:
    manifest = json.loads((finished / "manifest.json").read_text())
    regimes = gather(finished, manifest, catalog).regimes
    assert regimes is not None and regimes.truth is not None
    table = pq.read_table(finished / PREDICTIONS)
    store = catalog.build("store", manifest["config"]["store"])
    row_ns = table["row_ns"].to_numpy()
    true = read_truth(store, manifest["results"]["build"]["id"], ["regime"], row_ns)["regime"]
    probabilities = np.column_stack([table[f"regime_{name}"].to_numpy() for name in regimes.names])
    for (state, index), rows in np.ndenumerate(regimes.truth):
        assert rows == ((true == state) & (likeliest(probabilities) == index)).sum()


def test_costs_lead_from_the_mids_to_the_net_result(page: str, finished: Path) -> None:
    m = json.loads((finished / "manifest.json").read_text())["results"]["backtest"]
    costs = rows_of(page, "costs")

    def row(name: str) -> list[str]:
        return next(cells for cells in costs if cells[:1] == [name])

    for name, value in (
        ("Result at the mids decided on", m["gross"] + m["slippage"]),
        ("Slippage", -m["slippage"]),
        ("Result before fees and funding", m["gross"]),
        ("Net result", m["net"]),
    ):
        assert row(name)[1] == number(value, sign=True), name
    fills = load_tables(finished / TABLES)["fills"]
    makers = int(fills["maker"].sum())
    assert makers != len(fills) - makers
    assert row("Taker")[1:3] == [f"{len(fills) - makers:,}", percent(1 - m["maker_share"], 1)]
    assert row("Maker")[1:3] == [f"{makers:,}", percent(m["maker_share"], 1)]


def test_every_fill_of_the_closer_look_is_marked_at_its_price(page: str, finished: Path) -> None:
    fills = load_tables(finished / TABLES)["fills"]
    marks = [t for t in specs(page)["close-up"]["data"] if t["name"] in ("buy", "sell")]
    x, y = (np.concatenate([unpacked(t[axis]) for t in marks]) for axis in "xy")
    inside = (fills["venue_ns"] / 1e6 >= x.min()) & (fills["venue_ns"] / 1e6 <= x.max())
    assert len(x) == inside.sum() > 20
    np.testing.assert_allclose(np.sort(y), np.sort(fills["ticks"][inside] * 0.1))


def test_headings_ids_and_descriptions(page: str) -> None:
    body = re.sub(r"<(script|style)[^>]*>.*?</\1>", "", page, flags=re.DOTALL)
    levels = [int(level) for level in re.findall(r"<h(\d)", body)]
    assert levels.count(1) == 1 and levels[0] == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    ids = re.findall(r' id="([^"]+)"', body)
    assert len(ids) == len(set(ids))
    for link in re.findall(r'href="#([^"]+)"', body):
        assert link in ids
    plots = re.findall(r'<div class="plot"[^>]*>', body)
    assert all(re.search(r'role="img" aria-label="[^"]{20,}"', plot) for plot in plots)
    assert 'lang="en"' in page


def test_the_page_asks_for_nothing_and_is_not_heavy(page: str) -> None:
    outside = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"""(src|href|url)\s*[=(]\s*["']?(https?:)?//""", outside)
    assert len(page) < 6_000_000


def luminance(colour: str) -> float:
    channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
def test_contrast(colours: dict[str, str]) -> None:
    """WCAG 2.2: 4.5 for text, 3 for what is drawn."""
    least = dict.fromkeys(("--ink", "--muted", "--yes", "--no", "--open"), 4.5)
    drawn = ("--buy", "--sell", "--loss", "--mark", *(f"--s{k}" for k in range(1, 7)))
    least |= dict.fromkeys(drawn, 3.0)
    for name, ratio in least.items():
        for ground in ("--page", "--panel"):
            a, b = sorted((luminance(colours[name]), luminance(colours[ground])))
            assert (b + 0.05) / (a + 0.05) >= ratio, (name, ground)


def test_less_to_show_says_why(untraded: Path, training: Path, catalog: Any) -> None:
    from btcframe.sessions.reporting import report_again

    nothing = (untraded / PAGE).read_text()
    assert "No order was sent: the policy asked for none." in nothing
    assert {"price", "ic"} <= specs(nothing).keys() and "money" not in specs(nothing)
    report_again(training, catalog)
    trained = (training / PAGE).read_text()
    assert "Nothing was traded: this run is a training" in trained
    assert {"ic", "outcome-5s"} <= specs(trained).keys()
