"""A component of every slot, as plugins were written in November 2026."""

from btcframe.hookspecs import hookimpl

from . import clock, feature, label, model, policy, regime, rule, source, store, venue

BTCFRAME_API = "1.0"  # the plugin API it is written for

HEARD = []


@hookimpl
def btcframe_components():
    """Component classes by slot and name."""
    return {
        "source": {"acme_all": source.AcmeAll},
        "clock": {"acme_all": clock.AcmeAll},
        "store": {"acme_all": store.AcmeAll},
        "features": {"acme_all": feature.AcmeAll},
        "regime": {"acme_all": regime.AcmeAll},
        "label": {"acme_all": label.AcmeAll},
        "model": {"acme_all": model.AcmeAll},
        "policy": {"acme_all": policy.AcmeAll},
        "risk": {"acme_all": rule.AcmeAll},
        "venue": {"acme_all": venue.AcmeAll},
    }


@hookimpl
def btcframe_config_paths():
    """Where the presets stand: `experiment=acme_all`."""
    return ["pkg://acme_all.conf"]


@hookimpl
def btcframe_event(event):
    """What happens in a run."""
    HEARD.append((event.kind, event.ns, event.run, dict(event.data)))
