"""Every `btcframe …` that a page of docs/ shows can be typed: its settings, components, flags and files of settings exist.

Nothing is run. What stands for something of the reader's own (runs/…, DIR, FILE) is taken as it stands.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from hydra.errors import HydraException

from btcframe.cli import main as cli
from btcframe.cli import models, session
from btcframe.cli.hydra_app import composed, register
from btcframe.cli.hydra_overrides import check_overrides
from btcframe.errors import BtcframeError
from btcframe.plugins import Catalog, discover

PAGES = sorted((Path(__file__).parents[1] / "docs").glob("*.md"))
SWEPT = re.compile(r"^(\w[\w.]*)=([^\[{,]+),.*")
"""One setting with several values, of which the first is tried."""
WRONG = (AssertionError, BtcframeError, HydraException)


def commands(text: str) -> list[str]:
    """Lines of a block that begin with btcframe, and what stands between backquotes."""
    lines = [line.strip() for line in text.splitlines() if line.startswith("    btcframe ")]
    fenced = [line for block in text.split("```")[1::2] for line in block.splitlines()[1:]]
    quoted = re.findall(r"(?<!`)`(btcframe [^`\n]+)`", text)
    return lines + [line.strip() for line in fenced if line.startswith("btcframe ")] + quoted


def words_of(command: str) -> list[str]:
    """Of what a shell would make of it, without a comment, a pipe and what is left to the reader."""
    words = shlex.split(command, comments=True)
    words = words[: words.index("|")] if "|" in words else words
    pairs = zip(words[1:], words, strict=False)
    kept = [word for word, before in pairs if word != "…" or before in ("--reason", "--why")]
    return [word.replace("…", "one") for word in kept if word != "[DIR]"]


def try_it(catalog: Catalog, words: list[str]) -> None:
    """Raise what the command would say before any work."""
    word, rest = words[0], words[1:]
    if word in cli.VERBS:
        rest = [arg for arg in cli._positional(word, rest) if arg not in ("--cfg", "job")]
        check_overrides(catalog, word, rest)
        if not rest:
            return  # tests/test_conf.py composes every verb
        with initialize_config_module("btcframe.conf", version_base="1.3"):
            compose(word, overrides=[SWEPT.sub(r"\1=\2", arg) for arg in rest if arg != "-m"])
    elif word in ("db", "exchange"):
        given = rest[1:] if rest and rest[0] in cli.SUBCOMMANDS[word] else rest
        settings = [arg for arg in given if not arg.startswith("--")]
        assert not settings or "=" in settings[0], settings
        if settings:
            composed(catalog, word, settings)
    elif word in ("session", "models"):
        noun = session if word == "session" else models
        assert not rest or rest[0] in noun.COMMANDS, rest
        if rest:
            noun._parsed(rest[0], rest[1:])
    elif not word.startswith("-"):
        assert word in cli.NOUNS, word
        given = rest[1:] if word == "plugins" and rest else rest
        assert word != "plugins" or not rest or rest[0] in cli.SUBCOMMANDS[word], rest
        assert all(arg in cli.SUBCOMMANDS[word] for arg in given if arg.startswith("-")), rest


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    found = discover()
    register(found)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_can_be_typed(catalog: Catalog, page: Path) -> None:
    wrong = []
    for command in commands(page.read_text(encoding="utf-8")):
        if "COMMAND" in command or command.endswith("="):  # any of them; what a shell is asked to complete
            continue
        try:
            try_it(catalog, words_of(command))
        except (*WRONG, ValueError) as error:
            wrong.append(f"{command}\n    {type(error).__name__}: {error}")
    assert not wrong, "\n".join(wrong)


def test_commands_are_found_wherever_they_stand() -> None:
    text = "a `btcframe db status`\n\n    btcframe run seed=1 # why\n\n```\nbtcframe train -m\nother\n```\n"
    assert commands(text) == ["btcframe run seed=1 # why", "btcframe train -m", "btcframe db status"]
    assert words_of("btcframe run seed=1 # why") == ["run", "seed=1"]
    assert words_of("btcframe db roles a=b | psql -h db") == ["db", "roles", "a=b"]
    assert sum(len(commands(page.read_text(encoding="utf-8"))) for page in PAGES) > 60


@pytest.mark.parametrize(
    "command",
    [
        "btcframe run polcy=market", "btcframe train model.aplha=1", "btcframe trade trade.length=5m",
        "btcframe db stat", "btcframe db status store.hots=x", "btcframe exchange exchange.fault=[drop]",
        "btcframe session stop", "btcframe session status --jsn", "btcframe plugin", "btcframe plugins lst",
        "btcframe report DIR --sensitive", "btcframe backtest policy=twap,twop -m",
    ],
)  # fmt: skip
def test_what_cannot_be_typed_is_found(catalog: Catalog, command: str) -> None:
    with pytest.raises(WRONG):
        try_it(catalog, words_of(command))
