"""How many requests may be sent: a bucket of tokens per kind, and the exchange's own word, which counts for more."""

from __future__ import annotations

from collections.abc import Mapping

from btcframe.types import NS
from btcframe.venues.real.dialects import Dialect

LONGEST_NS = 10 * NS
"""What a header may ask for at most: a limit is per second, and more than this is a clock that is off."""


class Limits:
    """When the next request of a kind may go out. It knows no clock: who asks says when it is, ns of a clock
    that never goes back.

    A bucket holds one second of requests, so a burst goes out at once and is paid for afterwards.

    Parameters
    ----------
    dialect : Dialect
    penalty_ns : int      how long to send nothing after the exchange has shut us out
    """

    def __init__(self, dialect: Dialect, penalty_ns: int) -> None:
        self._dialect, self._penalty_ns = dialect, penalty_ns
        self._filled_ns = dict.fromkeys(dialect.rates, 0)  # when the bucket is full again
        self._shut_ns = dict.fromkeys(dialect.rates, 0)  # nothing before
        self.banned_ns = 0  # nothing of any kind before

    def kind(self, url: str, otherwise: str) -> str:
        """The kind of a request, by its address."""
        path = url.partition("?")[0]
        for end, kind in self._dialect.paths.items():
            if path.endswith(end):
                return kind
        return otherwise

    def due_ns(self, kind: str, now_ns: int) -> int:
        """When the next request of this kind may go out; not later than `now_ns`: at once."""
        rate = self._dialect.rates[kind]
        bucket_ns = self._filled_ns[kind] - NS + round(NS / rate)
        return max(bucket_ns, self._shut_ns[kind], self.banned_ns)

    def take(self, kind: str, now_ns: int) -> None:
        """A request of this kind goes out."""
        self._filled_ns[kind] = max(self._filled_ns[kind], now_ns) + round(NS / self._dialect.rates[kind])

    def heard(self, kind: str, headers: Mapping[str, str], now_ns: int, theirs_ns: int) -> None:
        """What the exchange's answer says of its limits; `theirs_ns` is the exchange's time, UTC."""
        dialect = self._dialect
        lower = {name.lower(): value for name, value in headers.items()}
        left, reset = lower.get(dialect.left.lower(), ""), lower.get(dialect.reset.lower(), "")
        if left.isdecimal() and reset.isdecimal() and int(left) == 0:
            wait_ns = int(reset) * 1_000_000 - theirs_ns
            self._shut_ns[kind] = now_ns + min(max(wait_ns, 0), LONGEST_NS)

    def refused(self, kind: str, now_ns: int) -> None:
        """A request was one too many: nothing of its kind for a second, where the headers say nothing later."""
        self._shut_ns[kind] = max(self._shut_ns[kind], now_ns + NS)

    def banned(self, now_ns: int) -> None:
        """The exchange has shut us out, HTTP 403."""
        self.banned_ns = now_ns + self._penalty_ns
