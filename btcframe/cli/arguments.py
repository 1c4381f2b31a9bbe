"""Words and flags of a noun's command, sorted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from btcframe.errors import ConfigError


def parsed(who: str, arguments: Sequence[str], known: Mapping[str, bool]) -> tuple[list[str], dict[str, str]]:
    """Words, and flags with their values.

    Parameters
    ----------
    who : str                   the command as it is typed, for messages
    arguments : sequence of str
    known : mapping             its flags, and whether each takes a value: ``--flag VALUE`` or ``--flag=VALUE``

    Raises
    ------
    ConfigError
        If an argument is empty, a flag is not one of them, or its value is missing.
    """
    words: list[str] = []
    flags: dict[str, str] = {}
    left = list(arguments)
    while left:
        argument = left.pop(0)
        if not argument:
            raise ConfigError(f"{who}: an argument is empty", hint="Is a variable of the shell not set?")
        if not argument.startswith("-"):
            words.append(argument)
            continue
        name, equals, value = argument.partition("=")
        if name not in known or (equals and not known[name]):
            raise ConfigError(f"{who} takes no {argument!r}", hint=f"It takes {', '.join(known)}.")
        if known[name]:
            value = value if equals else left.pop(0) if left else ""
            if not value.strip():
                raise ConfigError(f"{who} {name} needs a value")
        flags[name] = value
    return words, flags
