"""`btcframe plugins new NAME --slot SLOT`: a plugin to be filled in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from btcframe.cli.arguments import parsed
from btcframe.errors import ConfigError
from btcframe.new_plugin.making import make
from btcframe.plugins import Catalog
from btcframe.slots import SLOTS

_MADE = """\
{place}: a plugin with one component, {slot}={package}; it keeps the contract as it stands.
Install it: pip install -e {place}
Test it:    btcframe plugins check {name}
Fill it in: {place}/{package}, beside docs/tutorials/{slot}.md"""


def main(catalog: Catalog, arguments: Sequence[str]) -> int:
    """Make it, and say where it lies and what to type next; returns the exit code."""
    who = "btcframe plugins new"
    words, flags = parsed(who, arguments, {"--slot": True, "--dir": True})
    example = f"{who} my-alpha --slot features"
    if len(words) != 1:
        raise ConfigError(f"{who} needs one name, and has {len(words)}", next=f"For example: {example}")
    if "--slot" not in flags:
        raise ConfigError(
            f"{who} needs a slot: --slot {'|'.join(SLOTS)}",
            hint="\n".join(f"  {slot.name:<9} {slot.summary}" for slot in SLOTS.values()),
            next=f"For example: {example}",
        )
    slot = flags["--slot"]
    place = make(words[0], slot, Path(flags.get("--dir", ".")), catalog)
    print(_MADE.format(place=place, name=place.name, package=place.name.replace("-", "_"), slot=slot))
    return 0
