"""docs/exchange.md: its table is the table, its examples are faults, its code runs."""

from __future__ import annotations

import re
from pathlib import Path

from local_exchange import Client, exchange

from btcframe.exchange.faults import FAULTS, parse, table
from btcframe.exchange.listed import MADE
from btcframe.types import NS

PAGE = (Path(__file__).parents[2] / "docs/exchange.md").read_text(encoding="utf-8")


def test_the_table_of_faults_is_what_the_command_prints() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \| (.*) \| `.*` \|$", PAGE, re.MULTILINE)
    assert rows == table()


def test_every_example_happens() -> None:
    examples = re.findall(r"^\| `\w+` \|.*\| `(.*)` \|$", PAGE, re.MULTILINE)
    assert [parse(text).name for text in examples] == list(FAULTS)
    for text in examples:
        local = exchange(faults=(text,))
        Client(local).subscribe("orderbook.50.BTCUSDT")
        local.step(21 * NS)
        assert local.counts[f"fault {parse(text).name}"] >= 1


def test_the_symbols_are_those_that_can_be_made() -> None:
    found = re.search(r"'exchange\.symbols=\[(.*?)\]'` \| a market for each", PAGE)
    assert found is not None and set(found[1].split(",")) == set(MADE)


def test_the_example_for_a_test_runs() -> None:
    block = next(b for b in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "served" in b)
    names: dict[str, object] = {}
    exec(compile(block, "docs/exchange.md", "exec"), names)
    bids, asks = names["bids"], names["asks"]
    assert isinstance(bids, dict) and isinstance(asks, dict) and max(bids) < min(asks)
