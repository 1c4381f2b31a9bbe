"""Numbers and lengths of time as a person reads them."""

from __future__ import annotations

import math

from btcframe.report.metrics import Estimate
from btcframe.types import NS

MINUS = "\N{MINUS SIGN}"
NARROW = "\N{NARROW NO-BREAK SPACE}"


def counted(n: int, what: str) -> str:
    """A number of things in words: 1 fill, 2 fills."""
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def span_text(ns: int) -> str:
    """A length of time in words: 8 minutes, 3.2 hours, 12 days."""
    seconds = ns / NS
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            value = seconds / length
            return f"{value:.0f} {unit}" if value >= 10 else f"{value:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:.0f} seconds" if seconds >= 10 else f"{seconds:.3g} seconds"


def number(value: float, digits: int = 2, *, sign: bool = False) -> str:
    """A number with thousands and a real minus sign; "unknown" where it is not finite."""
    if not math.isfinite(value):
        return "unknown"
    text = f"{value:+,.{digits}f}" if sign else f"{value:,.{digits}f}"
    if not text.strip("+-0.,"):
        text = text.lstrip("+-")  # rounded to nothing, it has no sign
    return text.replace("-", MINUS)


def percent(share: float, digits: int = 0) -> str:
    """A share in percent; the sign stays with its number."""
    return f"{number(100 * share, digits)}{NARROW}%" if math.isfinite(share) else "unknown"


def share(value: float, *, sign: bool = True) -> str:
    """A share in percent, with as many decimals as a small one needs."""
    return f"{significant(100 * value, sign=sign)}{NARROW}%" if math.isfinite(value) else "unknown"


def significant(value: float, *, sign: bool = True, places: int = 3) -> str:
    """A number with as many decimals as make `places` digits, two at least for money of everyday size."""
    if not math.isfinite(value):
        return "unknown"
    size = math.floor(math.log10(abs(value))) + 1 if value else 0
    return number(value, min(max(places - size, 0), 6), sign=sign)


def rounded(e: Estimate, *, sign: bool = True) -> tuple[str, str, str]:
    """Value, low and high with two digits of what the interval leaves open either way.

    Without an interval the value alone decides, and low and high are empty.
    """
    if not (math.isfinite(e.low) and math.isfinite(e.high)):
        return significant(e.value, sign=sign), "", ""
    half = (e.high - e.low) / 2
    digits = min(max(1 - math.floor(math.log10(half)), 0), 8) if half > 0 else 2
    value, low, high = (number(v, digits, sign=sign) for v in e)
    return value, low, high
