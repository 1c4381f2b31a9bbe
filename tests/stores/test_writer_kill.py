"""kill -9 of the writer at 50 moments, seeded: the table equals every acknowledged row, exactly once.

Each `make test` kills it twice, with the contract (`check_killed_writer`).
"""

from __future__ import annotations

import pytest

from btcframe.api import Store
from btcframe.testing.stores.together import check_killed_writer


@pytest.mark.drill
@pytest.mark.parametrize("make", ["delta", "postgres"], indirect=True)
def test_a_writer_killed_fifty_times(store: Store) -> None:
    check_killed_writer(store, kills=50)
