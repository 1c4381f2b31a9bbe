"""How many settings were tried on a market: the best of many looks good by luck alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from btcframe.api import Store

JUDGED = ("run", "train")
"""The verbs whose runs train models and judge them."""

DECIDES = ("source", "clock", "features", "select", "regime", "label", "model", "validation", "seed")
"""The settings that decide what is predicted: those of trading change nothing here."""

WITHOUT = ("jobs", "final")
"""Those of validation that do not."""


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
    tried = {_told(config)}
    for batch in store.records("runs"):
        for row in batch.select(["symbol", "verb", "status", "manifest"]).to_pylist():
            if row["verb"] not in JUDGED or row["status"] != "complete" or row["symbol"] != symbol:
                continue
            other = json.loads(row["manifest"])["config"]
            if other["source"]["plugin"] == config["source"]["plugin"]:
                tried.add(_told(other))
    return len(tried)


def _told(config: Mapping[str, Any]) -> str:
    told = {name: config[name] for name in DECIDES if name in config}
    told["validation"] = {k: v for k, v in config.get("validation", {}).items() if k not in WITHOUT}
    return json.dumps(told, sort_keys=True)


def trials_text(trials: int) -> str:
    """The number in words."""
    if trials == 1:
        return "One configuration was tried on this market that this store knows of."
    return f"{trials:,} configurations were tried on this market that this store knows of."
