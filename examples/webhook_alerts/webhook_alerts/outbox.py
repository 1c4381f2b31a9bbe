"""Alerts on their way: whoever puts one in waits for nothing, and whoever reads them is not buried in messages."""

import collections
import logging
import threading
import time

MOST = 1_000
"""Alerts that may wait."""

SHOWN = 20
"""Alerts that one message has in words."""

LONGEST = 300.0
"""Seconds between two attempts at most, while they fail."""

log = logging.getLogger(__name__)


class Outbox:
    """Posts what is put in, in a thread of its own: at once, then at most every so often, all that came in one message.

    Parameters
    ----------
    post : callable     ``post(text)``; raises OSError where it fails
    every : float       seconds between two messages at least; twice as long after each failure in a row
    clock : callable    seconds, monotonic
    """

    def __init__(self, post, every=10.0, clock=time.monotonic):
        self._post, self._every, self._clock = post, every, clock
        self._changed = threading.Condition()
        self._waiting = collections.deque()
        self._dropped = self._failures = 0
        self._due = -float("inf")  # when the next message may be sent
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="webhook-alerts", daemon=True)
        self._thread.start()

    def put(self, kind, text):
        """Leave an alert; takes microseconds, whatever the webhook does."""
        with self._changed:
            if len(self._waiting) >= MOST:
                self._dropped += 1
            else:
                self._waiting.append((kind, text))
            self._changed.notify()

    def close(self, seconds):
        """Send what waits, for so long at most; nothing that is put in afterwards is sent."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(seconds)

    def _work(self):
        while (taken := self._taken())[0]:
            try:
                self._post(message(*taken))
            except OSError as error:  # the address is not in its text
                self._failed(*taken, error)
            else:
                self._failures = 0
                self._due = self._clock() + self._every

    def _taken(self):
        """All that wait and how many found no room, as soon as a message may be sent; none once closed and empty."""
        with self._changed:
            while not self._closing and (not self._waiting or self._clock() < self._due):
                self._changed.wait(max(self._due - self._clock(), 0) if self._waiting else None)
            taken = list(self._waiting), self._dropped
            self._waiting.clear()
            self._dropped = 0
            return taken

    def _failed(self, alerts, dropped, error):
        self._failures += 1
        if self._failures == 1:  # a webhook that stays away is said once
            log.warning(
                "an alert could not be posted and is tried again: %s: %s", type(error).__name__, error
            )
        self._due = self._clock() + pause(self._every, self._failures)
        with self._changed:
            if not self._closing:
                self._waiting.extendleft(reversed(alerts))
                self._dropped += dropped


def pause(every, failures):
    """Seconds after so many failures in a row."""
    return min(every * 2 ** min(failures, 20), LONGEST)


def message(alerts, dropped=0):
    """Alerts in one text: the most recent in words, the others counted by kind, and those that found no room."""
    shown, counted = alerts[-SHOWN:], collections.Counter(kind for kind, _ in alerts[:-SHOWN])
    lines = [text for _, text in shown]
    if counted:
        lines.insert(0, "before: " + ", ".join(f"{kind} ×{n}" for kind, n in counted.most_common()))
    if dropped:
        lines.append(f"and {dropped} more, for which there was no room")
    return "\n".join(lines)
