"""Acme's alpha: the contents page of a plugin."""

from acme_alpha.model import OneColumn
from acme_alpha.surprise import QueueSurprise
from btcframe.hookspecs import hookimpl

BTCFRAME_API = "1.0"  # the plugin API it is written for


@hookimpl
def btcframe_components():
    """Our classes, by slot and name."""
    return {"features": {"queue_surprise": QueueSurprise}, "model": {"one_column": OneColumn}}


@hookimpl
def btcframe_config_paths():
    """Where our presets stand: `experiment=acme`."""
    return ["pkg://acme_alpha.conf"]
