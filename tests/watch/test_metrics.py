"""The endpoint as Prometheus meets it: scraped over HTTP, and parsed by Prometheus' own parser."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import re
import socket
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from watched import NOW_NS, Session, market, timed

from btcframe.api import TraderState
from btcframe.clock_offset import ClockOffset
from btcframe.errors import ConfigError, PluginError
from btcframe.live.slow_lane import LaneCounters
from btcframe.models.drift import Health, LiveIC
from btcframe.models.production import Standing
from btcframe.sources.bybit.decoder import Counters as Decoded
from btcframe.sources.live.counters import Tally
from btcframe.sources.live.valve import ShedCounters
from btcframe.spool.status import SpoolStatus
from btcframe.trading.desk import COUNTS
from btcframe.types import NS
from btcframe.venues.real.counts import COUNTS as ASKED
from btcframe.watch.metrics import BOUNDS_NS, GAUGES, MOST, address_of, serving
from btcframe.watch.status import read_status
from btcframe.watch.telling import Teller
from btcframe.watch.watching import listening, numbers, watching

SPOOL = ("rows", "bytes", "age_ns", "memory", "apart", "lost", "failures", "restarts")
PAGE = Path(__file__).parents[2] / "docs" / "sessions.md"


def scrape(url: str, accept: str = "text/plain") -> str:
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=20) as reply:
        return str(reply.read().decode())


@contextlib.contextmanager
def shown(session: Session) -> Iterator[str]:
    """The address at which a session is told of."""
    with serving("127.0.0.1:0") as endpoint, endpoint.showing(session):
        yield endpoint.url


def families(session: Session) -> dict[str, Any]:
    with shown(session) as url:
        return {family.name: family for family in text_string_to_metric_families(scrape(url))}


def values(family: Any) -> dict[tuple[str, ...], float]:
    """Values by the name's end and the labels' values, `le` last."""
    return {
        (
            sample.name.removeprefix(family.name),
            *(value for _, value in sorted(sample.labels.items(), key=lambda label: label[0] == "le")),
        ): sample.value
        for sample in family.samples
    }


def test_everything_that_is_known_comes_over_the_wire() -> None:
    session = Session()
    session.clock.ns += NS
    session.live()
    session.clock.ns += NS // 2
    found = families(session)
    single = {
        "btcframe_age_seconds": 0.5, "btcframe_idle_seconds": 0.5, "btcframe_staleness_seconds": 0.54,
        "btcframe_row_age_seconds": 1.5, "btcframe_book_usable": 1, "btcframe_mid_quote": 100.1,
        "btcframe_quality_ratio": 0.75, "btcframe_urgency_ratio": 0.875, "btcframe_position_size": -0.002,
        "btcframe_position_lots": -2, "btcframe_equity_quote": 950, "btcframe_day_profit_quote": 10,
        "btcframe_drawdown_ratio": 0.5, "btcframe_fees_quote": 3.5, "btcframe_working_orders": 0,
        "btcframe_connection_most_waiting_bytes": 300, "btcframe_clock_offset_seconds": 0,
    }  # fmt: skip
    for name, value in single.items():
        assert values(found[name]) == {("",): pytest.approx(value)}, name
        assert found[name].type == "gauge"
    for name, value in {
        "connection_messages": 12,
        "connection_waited_seconds": 1.5,
        "trader_fills": 3,
    }.items():
        assert values(found[f"btcframe_{name}"]) == {("_total",): value}
        assert found[f"btcframe_{name}"].type == "counter"
    assert values(found["btcframe_session_state"]) == {
        ("", "active"): 1, ("", "reducing"): 0, ("", "halted"): 0,
    }  # fmt: skip
    assert values(found["btcframe_vetoes"]) == {("_total", "max_position"): 2}
    assert values(found["btcframe_prediction_mean_bps"]) == {("", "1s"): 1.5, ("", "5s"): -2.5}
    assert values(found["btcframe_regime_ratio"]) == {("", "calm"): 0.25, ("", "wild"): 0.75}
    (info,) = found["btcframe_session_info"].samples
    assert info.labels["symbol"] == "BTC/USDT:USDT" and info.value == 1
    assert found["process_resident_memory_bytes"].samples[0].value > 1e6
    assert all(family.documentation for family in found.values())


def test_how_the_model_fares_comes_too() -> None:
    session = Session().live(
        standing=Standing("previous", "it raised", "ab", mock=True),
        market=market([], [])._replace(model_ns=NOW_NS - 60 * NS),
    )
    known = LiveIC(5 * NS, 900, 180.0, 0.1, -0.02, 0.2)
    unknown = known._replace(horizon_ns=NS, ic=math.nan, low=math.nan, high=math.nan)
    session.health = Health(
        9000, "", {"a": 0.5, "b": 0.1, "c": math.nan, "d": 0.3}, {"1s": 0.2, "5s": math.nan}, {"b": 0.4}, (unknown, known)
    )  # fmt: skip
    found = {name.removeprefix("btcframe_model_"): family for name, family in families(session).items()}
    assert values(found["step"]) == {("", "production"): 0, ("", "previous"): 1, ("", "none"): 0}
    assert values(found["mock"]) == {("",): 1} and values(found["refused"]) == {("",): 0}
    assert values(found["age_seconds"]) == {("",): 60}
    assert values(found["drifted"]) == {("",): 2}
    assert values(found["psi"]) == {("", "a"): 0.5, ("", "d"): 0.3}
    assert values(found["missing_ratio"]) == {("", "b"): 0.4}
    assert values(found["prediction_psi"]) == {("", "1s"): 0.2}
    assert values(found["live_ic"]) == {("", "5s"): 0.1}
    assert values(found["live_ic_low"]) == {("", "5s"): -0.02}
    session.health = session.health._replace(psi={f"c{i}": 1.0 for i in range(MOST + 9)})
    assert len(families(session)["btcframe_model_psi"].samples) == MOST


def test_a_parser_of_openmetrics_takes_it_too() -> None:
    session = Session().live()
    timed(session.latency, session.clock() - 5000)
    with shown(session) as url:
        text = scrape(url, "application/openmetrics-text; version=1.0.0")
    names = {family.name for family in openmetrics(text)}
    assert {"btcframe_latency_seconds", "btcframe_session", "btcframe_vetoes"} <= names


def test_latencies_are_cumulative_histograms_of_the_stages() -> None:
    session = Session().live()
    durations = [5_000, 60_000, 2_500_000, 2_500_000, 40 * NS]
    for ns in durations:
        timed(session.latency, session.clock() - ns)
    told = values(families(session)["btcframe_latency_seconds"])
    for bound in BOUNDS_NS.tolist():
        below = sum(ns <= bound for ns in durations)
        assert told[("_bucket", "decode", f"{bound / NS:g}")] == below
    assert told[("_bucket", "decode", "+Inf")] == told[("_count", "decode")] == 5
    assert told[("_sum", "decode")] == pytest.approx(sum(durations) / NS)
    assert {stage for _, stage, *_ in told} == {
        "venue", "wire", "decode", "book", "row", "signal", "total",
    }  # fmt: skip


def test_before_the_first_batch_there_is_less() -> None:
    session = Session()
    session.known = None
    found = families(session)
    assert "btcframe_mid_quote" not in found and "btcframe_clock_offset_seconds" not in found
    assert "btcframe_connection_messages" in found


def test_an_offset_that_is_bounded() -> None:
    session = Session()
    session.known = ClockOffset().offset._replace(ns=NS, low_ns=NS // 2, high_ns=2 * NS, steps=3)
    found = families(session)
    assert values(found["btcframe_clock_offset_width_seconds"]) == {("",): 1.5}
    assert values(found["btcframe_clock_steps"]) == {("_total",): 3}


def test_what_is_not_known_is_nan_and_a_halt_shows() -> None:
    session = Session()
    session.state = TraderState.HALTED
    session.live(contained={"features.ofi": "it raised"})
    found = families(session)
    assert values(found["btcframe_session_state"])[("", "halted")] == 1
    assert values(found["btcframe_contained"]) == {("", "features.ofi"): 1}
    unsound = families(Session().live(market=market([], [])))
    assert math.isnan(values(unsound["btcframe_mid_quote"])[("",)])
    assert values(unsound["btcframe_book_usable"]) == {("",): 0}


def test_labels_are_bounded() -> None:
    session = Session().live()
    session.denied = {f"code_{i}": 1 for i in range(1000)}
    told = values(families(session)["btcframe_vetoes"])
    assert len(told) == MOST and told[("_total", "other")] == 1000 - MOST + 1
    assert told[("_total", "code_0")] == 1 and sum(told.values()) == 1000


def test_names_and_texts_that_could_break_the_format() -> None:
    session = Session().live(contained={'a"b\n\\c': "x"})
    session.denied = {'no"\n': 1}
    found = families(session)
    assert values(found["btcframe_contained"]) == {("", 'a"b\n\\c'): 1}
    assert values(found["btcframe_vetoes"]) == {("_total", 'no"\n'): 1}


def test_scraped_while_the_trader_counts() -> None:
    """Two scrapers and a trader: every histogram is one that could have been, and counts never go back."""
    session = Session(lambda: 10 * NS).live()
    stop, wrong = threading.Event(), []

    def trade() -> None:
        rng = np.random.default_rng(1)
        while not stop.is_set():
            timed(session.latency, 10 * NS - int(rng.integers(1, NS)))
            session.counted["trader"]["fills"] += 1
            session.live()

    def look(url: str) -> None:
        before = {"fills": 0.0, "count": 0.0}
        for _ in range(15):
            found = {f.name: f for f in text_string_to_metric_families(scrape(url))}
            told = values(found["btcframe_latency_seconds"])
            buckets = [told[("_bucket", "decode", f"{ns / NS:g}")] for ns in BOUNDS_NS.tolist()]
            count = told[("_count", "decode")]
            fills = values(found["btcframe_trader_fills"])[("_total",)]
            if (
                sorted(buckets) != buckets
                or buckets[-1] != count
                or count < before["count"]
                or fills < before["fills"]
            ):
                wrong.append((buckets, count, fills, before))
            before = {"fills": fills, "count": count}

    timed(session.latency, 9 * NS)
    trader = threading.Thread(target=trade)
    trader.start()
    with shown(session) as url:
        lookers = [threading.Thread(target=look, args=(url,)) for _ in range(2)]
        for thread in lookers:
            thread.start()
        for thread in lookers:
            thread.join()
    stop.set()
    trader.join()
    assert not wrong, wrong[0]


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as error, serving(f"127.0.0.1:{port}"):
            pass
    assert f"trade.metrics: 127.0.0.1:{port} cannot be listened at: Address already in use" in str(
        error.value
    )
    assert "port 0 takes a free one" in str(error.value)


def test_an_address_that_is_not_ours() -> None:
    with (
        pytest.raises(ConfigError, match=r"192\.0\.2\.1:0 cannot be listened at"),
        serving("192.0.2.1:0"),
    ):
        pass


@pytest.mark.parametrize(
    "text", ["9100", "localhost", ":9100", "127.0.0.1:x", "127.0.0.1:70000", "a:-1", "127.0.0.1:"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ConfigError, match="is not HOST:PORT"):
        address_of(text)


def test_addresses() -> None:
    assert address_of("127.0.0.1:8770") == ("127.0.0.1", 8770)
    assert address_of("[::1]:0") == ("::1", 0)


def test_the_status_tells_where_and_it_closes_with_the_session(tmp_path: Path) -> None:
    with listening("127.0.0.1:0") as endpoint:
        assert endpoint is not None
        assert "btcframe_session_info" not in scrape(endpoint.url)  # it begins
        with watching(tmp_path, Session().live(), endpoint):
            url = read_status(tmp_path).told["metrics"]
            assert "btcframe_session_info" in scrape(url)
        assert "btcframe_session_info" not in scrape(url)
    with pytest.raises(OSError, match="refused"):
        scrape(url)


def test_without_its_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delitem(sys.modules, "btcframe.watch.metrics")
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with (
        pytest.raises(
            PluginError, match=r"not installed: prometheus_client.*\npip install 'btcframe\[live\]'"
        ),
        listening("127.0.0.1:0"),
    ):
        pass
    with listening("") as endpoint, watching(tmp_path, Session(), endpoint):  # it is not asked for
        assert endpoint is None


def whole() -> Session:
    """One that counts all that a session at an exchange counts."""
    session = Session().live(contained={"features.ofi": "x"})
    session.known = ClockOffset().offset._replace(low_ns=0, high_ns=1)
    timed(session.latency, 1)
    spool = SpoolStatus("spool", {})
    session.counted = {
        "session": {"batches": 1, "frames": 1, "bytes": 1, "events": 1},
        "connection": numbers(Tally().read()),
        "decoder": {field.name: 0 for field in dataclasses.fields(Decoded)},
        "shed": numbers(ShedCounters()),
        "lane": {field.name: 1 for field in dataclasses.fields(LaneCounters)},
        "spool": {name: getattr(spool, name) for name in SPOOL},
        "observers": Teller(lambda event: None, "").counts(),
        "trader": dict.fromkeys(COUNTS, 0),
        "models": {"fallen": 0, "looks": 1, "promoted": 0, "refused": 0},
        "status": {"failures": 0},
        "venue": dict.fromkeys(("up", "orders", "journal_waiting", *ASKED), 0),
    }
    return session


def test_the_page_names_every_metric() -> None:
    page = PAGE.read_text()
    for name, family in families(whole()).items():
        part = name.removeprefix("btcframe_").partition("_")[0]
        total = "_total" if family.type == "counter" else ""
        if name.startswith("btcframe_"):
            assert f"`{name}{total}`" in page or f"`btcframe_{part}_…" in page, name


def test_what_the_page_asks_of_prometheus_is_there() -> None:
    blocks = re.findall(r"```(?:promql|yaml)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    asked = {name for block in blocks for name in re.findall(r"\b(?:btcframe|process)_\w+", block)}
    known = {sample.name for family in families(whole()).values() for sample in family.samples}
    assert len(asked) > 8 and asked <= known, asked - known
    for block in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL):
        assert isinstance(yaml.safe_load(block), dict)


def test_what_goes_up_and_down_is_something_that_is_counted() -> None:
    counted = whole().counters()
    for part, names in GAUGES.items():
        assert set(names) <= set(counted[part]), part


def test_the_page_s_example(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    exec(code, {"session": Session().live()})
    assert capsys.readouterr().out.split()[-2:] == ["0.875", "1.5"]
