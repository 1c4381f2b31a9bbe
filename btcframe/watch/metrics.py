"""A session's numbers for Prometheus, computed when they are asked for; needs prometheus_client.

Names and units follow Prometheus: base units (seconds, bytes) but for prices and money (quote), sizes (the instrument's)
and bps, which say so; counters end in _total. A label has as many values as the config names parts, regimes, horizons
and rules, and never more than MOST.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from btcframe.clock_offset import Offset
from btcframe.errors import ConfigError, PluginError
from btcframe.latency import Latency
from btcframe.models.production import STEPS
from btcframe.types import NS, duration_name
from btcframe.watch.observed import Number, Observed
from btcframe.watch.signals import ExecutionSignals

try:
    from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        InfoMetricFamily,
        Metric,
    )
    from prometheus_client.registry import Collector
except ImportError as error:
    raise PluginError(
        f"metrics need a package that is not installed: {error.name}",
        where="trade.metrics",
        next="pip install 'btcframe[live]'",
    ) from error

MOST = 64
"""Values of a label at most; what comes later is counted together as `other`."""

BOUNDS_NS = np.array([m * 10**e for e in range(4, 10) for m in (1, 2, 5)] + [10 * NS], np.int64)
"""Upper bounds of the histograms' buckets: 10 µs to 10 s, three a decade."""

GAUGES = {
    "connection": ("most_waiting",),
    "shed": ("shut",),
    "lane": ("held_bytes", "most_bytes", "waiting", "failures", "flush_ms", "batch"),
    "spool": ("rows", "bytes", "age_ns", "memory", "apart", "failures"),
    "observers": ("waiting",),
    "venue": ("up", "orders", "journal_waiting"),
}
"""What goes up and down among the counters of a session, by part; all others only grow."""

_UNITS = {"_ns": ("_seconds", 1 / NS), "_ms": ("_seconds", 1e-3), "most_waiting": ("most_waiting_bytes", 1.0)}
"""Endings of our names that are no base units: what they become, times what."""


Counters = Callable[[], Mapping[str, Mapping[str, Number]]]


class Address(NamedTuple):
    """Where it listens."""

    host: str
    port: int


def address_of(text: str) -> Address:
    """HOST:PORT; an IPv6 host in brackets; port 0 takes a free one.

    Raises
    ------
    ConfigError
        If it is none.
    """
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise ConfigError(
            f"trade.metrics: {text!r} is not HOST:PORT",
            hint="Loopback is 127.0.0.1: nobody else can ask. 0.0.0.0 lets everybody ask who can reach this machine.",
            next="trade.metrics=127.0.0.1:8770",
        )
    return Address(host, int(port))


class Endpoint:
    """Where Prometheus asks. It tells of the process alone until there is a session.

    Parameters
    ----------
    url : str
    registry : CollectorRegistry
    """

    def __init__(self, url: str, registry: CollectorRegistry) -> None:
        self.url, self._registry = url, registry

    @contextlib.contextmanager
    def showing(self, session: Observed, counters: Counters | None = None) -> Iterator[None]:
        """Tell of a session while the block lasts.

        Parameters
        ----------
        session : Observed
        counters : callable, optional       in place of the session's, by part and name
        """
        collector = SessionCollector(session, counters or session.counters)
        self._registry.register(collector)
        try:
            yield
        finally:
            self._registry.unregister(collector)


@contextlib.contextmanager
def serving(address: str) -> Iterator[Endpoint]:
    """Answer Prometheus while the block lasts, in threads of its own.

    Parameters
    ----------
    address : str       HOST:PORT

    Raises
    ------
    ConfigError
        If the address is none, is in use, or is not this machine's.
    """
    host, port = address_of(address)
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise ConfigError(
            f"trade.metrics: {address} cannot be listened at: {error.strerror or error}",
            hint="Another session, or another program, has that port; port 0 takes a free one.",
            next=f"trade.metrics={host}:0, or leave it empty: btcframe session status tells the same.",
        ) from error
    try:
        shown = f"[{host}]" if ":" in host else host
        yield Endpoint(f"http://{shown}:{server.server_port}/metrics", registry)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class SessionCollector(Collector):
    """Everything a session counts and knows, as families of metrics.

    Parameters
    ----------
    session : Observed
    counters : callable     what has been counted, by part and name
    """

    def __init__(self, session: Observed, counters: Counters) -> None:
        self._session, self._counters = session, counters

    def collect(self) -> Iterator[Metric]:
        """What stands now."""
        session = self._session
        yield InfoMetricFamily(
            "btcframe_session",
            "Which session this is.",
            value={k: str(v) for k, v in session.about().items()},
        )
        yield from _counted(self._counters())
        yield from _latency(session.latency)
        vetoes = CounterMetricFamily("btcframe_vetoes", "Intents denied, by code.", labels=["code"])
        for code, n in _bounded(session.vetoes()).items():
            vetoes.add_metric([code], n)
        yield vetoes
        if (offset := session.offset()) is not None:
            yield from _clock(offset)
        if (signals := session.get_execution_signals()) is not None:
            yield from _signals(signals)
            yield from _model(signals, session.model())


def _model(signals: ExecutionSignals, told: Mapping[str, Any]) -> Iterator[Metric]:
    yield _labelled(
        "model_step", "1 for which model predicts: docs/models.md.", "step", {x: float(x == signals.step) for x in STEPS}
    )  # fmt: skip
    yield _gauge("model_mock", "Whether the predictions are noise.", float(signals.mock))
    yield _gauge(
        "model_refused", "Whether the model that the alias names was refused.", float(bool(told["refused"]))
    )
    if (age_ns := signals.model_age_ns) is not None:
        yield _gauge("model_age_seconds", "Since the data ended that it was fitted on.", age_ns / NS)
    for name, text, label, values in (
        ("model_psi", "PSI of the columns that have moved.", "column", told["drifted"]),
        (
            "model_missing_ratio",
            "Missing, of columns that miss more than in training.",
            "column",
            told["missing"],
        ),
        ("model_prediction_psi", "PSI of the predictions.", "horizon", told["prediction_psi"]),
    ):
        known = {of: value for of, value in values.items() if value is not None}
        yield _labelled(name, text, label, dict(list(known.items())[:MOST]))
    yield _gauge("model_drifted", "Columns that have moved.", float(len(told["drifted"])))
    for name, text in (
        ("ic", "Live IC"),
        ("low", "Lower bound of the live IC"),
        ("high", "Upper bound of the live IC"),
    ):
        found = {duration_name(of["horizon_ns"]): of[name] for of in told["ic"] if of[name] is not None}
        yield _labelled(
            f"model_live_ic{'' if name == 'ic' else f'_{name}'}",
            f"{text}, where there are enough labels.",
            "horizon",
            found,
        )


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"btcframe_{name}", text, value=value)


def _labelled(name: str, text: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"btcframe_{name}", text, labels=[label])
    for of, value in values.items():
        family.add_metric([of], value)
    return family


def _bounded(counts: Mapping[str, int]) -> dict[str, int]:
    """At most MOST names; the rest added up."""
    if len(counts) <= MOST:
        return dict(counts)
    kept = dict(list(counts.items())[: MOST - 1])  # the first there were: which are kept must not change
    return {**kept, "other": sum(counts.values()) - sum(kept.values())}


def _counted(counters: Mapping[str, Mapping[str, Number]]) -> Iterator[Metric]:
    for part, counted in counters.items():
        for name, value in counted.items():
            ending, (unit, factor) = next(
                ((e, u) for e, u in _UNITS.items() if name.endswith(e)), ("", ("", 1.0))
            )
            full = f"btcframe_{part}_{name.removesuffix(ending)}{unit}"
            text = f"{name} of the {part}: docs/sessions.md."
            if name in GAUGES.get(part, ()):
                yield GaugeMetricFamily(full, text, value=value * factor)
            else:
                yield CounterMetricFamily(full, text, value=value * factor)


def _latency(latency: Latency) -> Iterator[Metric]:
    seen = latency.copy()  # the trader's thread goes on counting
    family = HistogramMetricFamily("btcframe_latency_seconds", "How long a stage takes.", labels=["stage"])
    below = CounterMetricFamily(
        "btcframe_latency_negative", "Durations below 0, counted as 0: the clocks disagree.", labels=["stage"]
    )
    for stage, summary in seen.summary().items():
        counts = seen.at_most(stage, BOUNDS_NS).tolist()
        buckets = [(f"{ns / NS:g}", float(n)) for ns, n in zip(BOUNDS_NS.tolist(), counts, strict=True)]
        family.add_metric([stage], [*buckets, ("+Inf", float(summary.n))], summary.sum_ns / NS)
        below.add_metric([stage], summary.negative)
    yield family
    yield below


def _clock(offset: Offset) -> Iterator[Metric]:
    yield _gauge("clock_offset_seconds", "Our clock less the exchange's.", offset.ns / NS)
    if offset.low_ns is not None and offset.high_ns is not None:
        width = (offset.high_ns - offset.low_ns) / NS
        yield _gauge("clock_offset_width_seconds", "How far apart the bounds of the offset are.", width)
    for name, text, n in (
        ("steps", "Times that a clock was stepped, as the stamps show.", offset.steps),
        ("slips", "Times that stamps contradicted the bounds by little.", offset.slips),
        ("wall_steps", "Times that our wall clock was stepped.", offset.wall_steps),
        ("round_trips", "Round trips of the exchange's time.", offset.round_trips),
    ):
        yield CounterMetricFamily(f"btcframe_clock_{name}", text, value=n)


def _signals(s: ExecutionSignals) -> Iterator[Metric]:
    states: Iterable[str] = ("active", "reducing", "halted")
    yield _labelled("session_state", "1 for the trader's state.", "state", {x: x == s.state for x in states})
    yield _gauge("age_seconds", "Since the last item that the trader consumed was received.", s.age_ns / NS)
    yield _gauge("idle_seconds", "Since the trader had consumed it.", s.idle_ns / NS)
    for name, text, ns in (
        ("staleness_seconds", "Since the last message of the book was received.", s.staleness_ns),
        ("row_age_seconds", "Since the edge of the last row.", s.row_age_ns),
    ):
        if ns is not None:
            yield _gauge(name, text, ns / NS)
    for name, text, value in (
        ("book_usable", "Whether the book is whole, two-sided and uncrossed.", float(s.usable)),
        ("mid_quote", "Mid price.", s.mid),
        ("spread_bps", "Best ask less best bid, bps of the mid.", s.spread_bps),
        ("microprice_gap_bps", "Microprice less mid, bps.", s.microprice_gap_bps),
        ("price_pressure_ratio", "Which side of the book weighs more, -1 to 1.", s.price_pressure),
        ("urgency_ratio", "Whether to wait (0) or to act (1).", s.urgency),
        ("quality_ratio", "Quality of the last row, 0 to 1.", s.quality),
        ("position_size", "Signed position, base coin or contracts.", s.position),
        ("position_lots", "Signed position in lots.", float(s.position_lots)),
        ("working_orders", "Orders that are not final.", float(s.working)),
        ("equity_quote", "Cash and position at the mid.", s.equity),
        ("day_profit_quote", "Equity less that at the beginning of the UTC day.", s.day_profit),
        ("drawdown_ratio", "1 - equity / highest equity.", s.drawdown),
        ("fees_quote", "Fees paid; rebates are negative.", s.fees),
    ):
        yield _gauge(name, text, value)
    yield _labelled(
        "book_slope", "Cumulative size per tick from the mid, 10 levels.", "side", {"bid": s.slope_bid, "ask": s.slope_ask}
    )  # fmt: skip
    horizons = {duration_name(p.horizon_ns): p for p in s.predictions}
    yield _labelled(
        "prediction_mean_bps", "Expected return.", "horizon", {h: p.mean_bps for h, p in horizons.items()}
    )
    yield _labelled(
        "prediction_up_ratio", "Probability of a rise.", "horizon", {h: p.p_up for h, p in horizons.items()}
    )
    yield _labelled("regime_ratio", "Probability of a regime.", "regime", s.regime)
    yield _labelled(
        "contained", "1 for a part that was switched off.", "part", dict.fromkeys(s.contained, 1.0)
    )
