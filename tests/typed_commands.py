"""Commands as pages and files show them, tried as far as can be told before any work."""

from __future__ import annotations

import functools
import re
import shlex

from hydra import compose, initialize_config_module
from hydra.errors import HydraException

from btcframe.cli import main as cli
from btcframe.cli import models, runs, session
from btcframe.cli.arguments import parsed
from btcframe.cli.hydra_overrides import check_overrides
from btcframe.config import LOOKED_AT
from btcframe.errors import BtcframeError
from btcframe.plugins import Catalog

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
    """Raise what the command would say before any work; the catalog is registered."""
    word, rest = words[0], words[1:]
    if word in cli.VERBS:
        rest = [arg for arg in cli._positional(word, rest) if arg not in ("--cfg", "job")]
        check_overrides(catalog, word, rest)
        if not rest:
            return  # tests/test_conf.py composes every verb
        _composed(word, tuple(SWEPT.sub(r"\1=\2", arg) for arg in rest if arg != "-m"))
    elif word in LOOKED_AT:
        given = rest[1:] if rest and rest[0] in cli.SUBCOMMANDS[word] else rest
        settings = [arg for arg in given if not arg.startswith("--")]
        assert not settings or "=" in settings[0], settings
        check_overrides(catalog, word, settings)
        if settings:
            _composed(word, tuple(settings))
    elif word in ("session", "models"):
        noun = session if word == "session" else models
        assert not rest or rest[0] in noun.COMMANDS, rest
        if rest:
            noun._parsed(rest[0], rest[1:])
    elif word == "runs":
        command, *given = rest if rest and not rest[0].startswith("-") else ["list", *rest]
        assert command in runs.COMMANDS, command
        parsed(f"btcframe runs {command}", given, runs._FLAGS[command])
    elif rest[:1] == ["new"]:
        parsed(f"btcframe {word} new", rest[1:], {"--slot": True, "--dir": True})
    elif not word.startswith("-"):
        assert word in cli.NOUNS, word
        given = rest[1:] if word == "plugins" and rest else rest
        assert word != "plugins" or not rest or rest[0] in cli.SUBCOMMANDS[word], rest
        assert all(arg in cli.SUBCOMMANDS[word] for arg in given if arg.startswith("-")), rest


@functools.cache  # pages show the same settings again and again, and a composition takes a quarter of a second
def _composed(name: str, overrides: tuple[str, ...]) -> None:
    """Raise what Hydra would say."""
    with initialize_config_module("btcframe.conf", version_base="1.3"):
        compose(name, overrides=list(overrides))
