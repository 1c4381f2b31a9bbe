"""Alerts to a webhook: the contents page of a plugin that only looks on."""

import atexit
import functools
import os

from btcframe.hookspecs import hookimpl
from webhook_alerts.outbox import Outbox
from webhook_alerts.webhook import webhook
from webhook_alerts.words import said


@hookimpl
def btcframe_event(event):
    """Something happened: told, where a person should know of it and there is a webhook."""
    text = said(event)
    if text and (outbox := _outbox()) is not None:
        outbox.put(event.kind, text)


@functools.cache
def _outbox():
    """Made with the first alert: most processes that load plugins have none."""
    post = webhook(os.environ)
    if post is None:
        return None
    outbox = Outbox(post, every=float(os.environ.get("WEBHOOK_ALERTS_EVERY") or 10))
    atexit.register(outbox.close, 5.0)
    return outbox
