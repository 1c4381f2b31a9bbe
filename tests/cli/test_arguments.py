"""Words and flags, as they are typed."""

from __future__ import annotations

import pytest

from btcframe.cli.arguments import parsed
from btcframe.errors import ConfigError

KNOWN = {"--json": False, "--as": True}


def test_words_and_flags_in_any_order() -> None:
    assert parsed("x", [], KNOWN) == ([], {})
    assert parsed("x", ["a", "--as", "b", "c", "--json"], KNOWN) == (["a", "c"], {"--as": "b", "--json": ""})
    assert parsed("x", ["--as=b=c"], KNOWN) == ([], {"--as": "b=c"})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a", ""], "x: an argument is empty"),
        (["--jso"], "x takes no '--jso'"),
        (["--json=1"], "x takes no '--json=1'"),
        (["--as"], "x --as needs a value"),
        (["--as="], "x --as needs a value"),
        (["--as", " "], "x --as needs a value"),
    ],
)
def test_what_is_none(arguments: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as found:
        parsed("x", arguments, KNOWN)
    assert message in str(found.value)
