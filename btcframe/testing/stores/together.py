"""Several processes on one store, one of them killed: rows once each, claims that go with their process, flat memory."""

from __future__ import annotations

import random
import sys
from typing import Any

import numpy as np

from btcframe.testing.checks import ContractError, NotApplicable, name_of
from btcframe.testing.markets import START_NS
from btcframe.testing.stores.elsewhere import elsewhere
from btcframe.testing.stores.rows import TABLE, amiss, expect, stamped, table
from btcframe.types import NS

N = 500
"""Rows of a batch of the writer that is killed."""

PARTS, ROWS, TEXT = 24, 5_000, 1_000
TRIES = 3
"""Batches, rows of a batch and characters of a row of the build that is too large to be held: 120 MB."""


def check_claim_elsewhere(store: Any) -> None:
    """Two processes make one build one after the other; a claim goes with its process, killed or not."""
    with elsewhere(store, "claim", "a") as first:
        first.go()
        if (said := first.line()) != "has it":
            raise ContractError(
                f"{name_of(store)}.claim {said}, though nobody has the build", "Claim at once."
            )
        with elsewhere(store, "claim", "a") as second:
            second.go()
            if second.line() != "waits":
                raise ContractError(
                    f"{name_of(store)}.claim gives one build to two processes",
                    "Hold a lock of the system or the server; call waiting() and wait while another has it.",
                )
            first.kill()
            if (said := second.line()) != "has it":
                raise ContractError(f"{name_of(store)}.claim says {said} twice", "Call waiting() once.")
            second.end()


def check_two_writers(store: Any) -> None:
    """Two processes write one build at a time into a store that is not there yet: each row once."""
    parts = [(100 * i, 100 * i + 130) for i in range(6)]
    with elsewhere(store, "write", "a", parts) as one, elsewhere(store, "write", "a", parts) as other:
        one.go()
        other.go()
        one.end()
        other.end()
    store.seal("a", {})
    expect(
        store, "a", table(0, 630), "loses or doubles rows that two processes write",
        "Look up the keys and append in one transaction; where another was faster, look again.",
    )  # fmt: skip


def check_killed_writer(store: Any, kills: int = 2) -> None:
    """kill -9 in the middle of a write: every acknowledged row is there, once; the rest of a batch whole or not at all."""
    pick = random.Random(0)
    done = 0
    for _ in range(kills):
        parts = [(N * i, N * i + N) for i in range(done, done + 50)]
        with elsewhere(store, "write", "a", parts) as writer:
            writer.go()
            told = [int(writer.line()) for _ in range(pick.randrange(1, 4))]
            for _ in range(pick.randrange(300_000)):  # somewhere in the writing of the next one
                pass
            told += map(int, writer.kill())
        done += max(told) + 1
        wrong = [amiss(store, "a", table(0, N * n), whole=False) for n in (done, done + 1)]
        if all(wrong):
            raise ContractError(
                f"{name_of(store)}: a writer was killed after {N * done:,} acknowledged rows; then: {wrong[0]}",
                "A write that has returned is on disk, and one that has not is there whole or not at all.",
            )
    # whoever was killed cannot know whether the next batch is in: it writes it again
    store.write("a", TABLE, table(N * done, N * done + N))
    store.seal("a", {})
    expect(
        store, "a", table(0, N * done + N), "does not go on where a killed writer stopped",
        "What a writer leaves behind when it is killed must not count as rows or as locks.",
    )  # fmt: skip


def check_flat_memory(store: Any) -> None:
    """A build of 120 MB is read in pieces: the process grows by less than half of that."""
    import pyarrow as pa

    if not sys.platform.startswith("linux"):
        raise NotApplicable("memory is measured by /proc, which only Linux has")
    size = 0
    for part in range(PARTS):
        stamps = START_NS + NS * np.arange(part * ROWS, part * ROWS + ROWS)
        rows = stamped(stamps, x=np.sin(stamps), text=pa.repeat("text" * (TEXT // 4), ROWS))
        size += rows.nbytes
        store.write("a", TABLE, rows)
    store.seal("a", {"tables": {TABLE: PARTS * ROWS}})
    for _ in range(
        TRIES
    ):  # on a busy machine what reads ahead may be far ahead; what holds all does so every time
        with elsewhere(store, "peak", "a", START_NS + NS * ROWS * (PARTS * 3 // 4)) as reader:
            reader.go()
            rows, grown = int(reader.line()), int(reader.line())
            reader.end()
        if grown <= size // 2:
            break
    if rows != PARTS * ROWS or grown > size // 2:
        raise ContractError(
            f"{name_of(store)}: reading {rows:,} rows of {size / 1e6:.0f} MB takes {grown / 1e6:.0f} MB",
            "Give a piece, then read the next: memory must not grow with the build.",
        )


CHECKS = (check_claim_elsewhere, check_two_writers, check_killed_writer, check_flat_memory)
