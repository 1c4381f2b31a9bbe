"""The spool: rows on their way into a store wait on disk while it is down, slow or full; see docs/spool.md.

`keep` puts what a finished run could not write aside, `drain` brings it in, `status` tells what waits. A live session
runs a `Spool`.
"""

from btcframe.spool.frames import RECORD, ROWS, Entry
from btcframe.spool.status import SpoolStatus
from btcframe.spool.use import Drained, drain, keep, status
from btcframe.spool.writer import Spool

__all__ = ["RECORD", "ROWS", "Drained", "Entry", "Spool", "SpoolStatus", "drain", "keep", "status"]
