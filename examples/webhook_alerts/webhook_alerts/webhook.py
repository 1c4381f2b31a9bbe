"""One POST to a webhook. Its address is as good as a password: it stands in the environment and is never logged."""

import http.client
import json
import logging
import urllib.parse
import urllib.request

TIMEOUT = 5.0
"""Seconds until a webhook is taken for dead."""

log = logging.getLogger(__name__)


def webhook(environment):
    """What posts a text, by the variables of the README; None where they name no webhook.

    What is returned raises OSError where the webhook cannot be reached, refuses, or answers nonsense.
    """
    url = environment.get("WEBHOOK_ALERTS_URL", "").strip()
    if not url:
        return None
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:  # urllib would open file:// too
        log.error("WEBHOOK_ALERTS_URL is no address of http or https: no alerts are sent")
        return None
    field = environment.get("WEBHOOK_ALERTS_FIELD", "").strip() or "text"

    def post(text):
        body = json.dumps({field: text}).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as reply:
                reply.read()
        except (http.client.HTTPException, ValueError) as error:  # what they say may have the address in it
            failure = type(error).__name__
        else:
            return
        raise OSError(f"it does not speak HTTP: {failure}")

    return post
