"""How many settings were tried on a market: the best of many looks good by luck alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from btcframe.api import Store

JUDGED = ("run", "train")
"""The verbs whose runs train models and judge them."""

TRADED = ("run", "backtest")
"""Those whose runs trade what was trained, out of sample."""

DECIDES = ("source", "clock", "features", "select", "regime", "label", "model", "validation", "seed")
"""The settings that decide what is predicted: those of trading change nothing here."""

WITHOUT = ("jobs", "final")
"""Those of validation that do not."""

TRADES = ("policy", "risk", "venue")
"""The settings that, with these, decide what is earned."""


def trials_of(store: Store, config: Mapping[str, Any], symbol: str) -> int:
    """How many different configurations were judged on a market, by the runs that a store knows of; this one included.

    Two are the same where all that decides a prediction is; a seed is part of it, for the best of many seeds is as lucky.
    A market is a symbol from one source component: another window of it is the same market. Runs that failed judged
    nothing. What was tried elsewhere, or told to no store, is not known here: the number is the least it can be.

    Parameters
    ----------
    store : Store
    config : mapping    of the run that asks
    symbol : str        ccxt's

    Raises
    ------
    StoreError
        If the store cannot be read.
    """
    return len({configuration(config), *configurations_of(store, config["source"]["plugin"], symbol)})


def configurations_of(store: Store, source: str, symbol: str, *, traded: bool = False) -> set[str]:
    """The different configurations that were judged on a market, by the complete runs that a store knows of.

    Parameters
    ----------
    store : Store
    source : str      name of the source component
    symbol : str      ccxt's
    traded : bool     those that were traded, with what decides that

    Raises
    ------
    StoreError
        If the store cannot be read.
    """
    verbs = TRADED if traded else JUDGED
    tried = set()
    for batch in store.records("runs"):
        for row in batch.select(["symbol", "verb", "status", "manifest"]).to_pylist():
            if row["verb"] not in verbs or row["status"] != "complete" or row["symbol"] != symbol:
                continue
            config = json.loads(row["manifest"])["config"]
            if config["source"]["plugin"] == source:
                tried.add(configuration(config, traded=traded))
    return tried


def configuration(config: Mapping[str, Any], *, traded: bool = False) -> str:
    """What of a config decides its predictions, or its trades, as text: two runs with the same are one trial."""
    told = {name: config[name] for name in (*DECIDES, *(TRADES if traded else ())) if name in config}
    told["validation"] = {k: v for k, v in config.get("validation", {}).items() if k not in WITHOUT}
    return json.dumps(told, sort_keys=True)


def trials_text(trials: int) -> str:
    """The number in words."""
    if trials == 1:
        return "One configuration was tried on this market that this store knows of."
    return f"{trials:,} configurations were tried on this market that this store knows of."
