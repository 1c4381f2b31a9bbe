"""The core's own components, registered like anyone's."""

from __future__ import annotations

from collections.abc import Mapping

from btcframe.clocks.time import TimeClock
from btcframe.hookspecs import hookimpl
from btcframe.labels.forward_return import ForwardReturn
from btcframe.labels.triple_barrier import TripleBarrier
from btcframe.sources.binance_raw import BinanceRaw
from btcframe.sources.bybit.source import Bybit
from btcframe.sources.bybit_archive import BybitArchive
from btcframe.sources.cryptofeed_capture import CryptofeedCapture
from btcframe.sources.klines import Klines
from btcframe.sources.random_walk import RandomWalk
from btcframe.sources.session_log import RecordedSession
from btcframe.sources.synthetic import Synthetic
from btcframe.stores.delta import Delta
from btcframe.stores.timescale import Timescale
from btcframe.venues.ccxt import Ccxt
from btcframe.venues.sim import Sim


@hookimpl
def btcframe_components() -> Mapping[str, Mapping[str, type]]:
    """Components of the core by slot and name."""
    return {
        "source": {
            "binance_raw": BinanceRaw,
            "bybit": Bybit,
            "bybit_archive": BybitArchive,
            "cryptofeed_capture": CryptofeedCapture,
            "klines": Klines,
            "random_walk": RandomWalk,
            "session_log": RecordedSession,
            "synthetic": Synthetic,
        },
        "clock": {"time": TimeClock},
        "label": {"forward_return": ForwardReturn, "triple_barrier": TripleBarrier},
        "store": {"delta": Delta, "timescale": Timescale},
        "venue": {"ccxt": Ccxt, "sim": Sim},
    }
