"""What a scanner of JSON reads: names, words, numbers, each from its first byte on.

A text ends with a NUL, and every test here is for equality with, or a range of, something else: so no loop runs past the
end. A position of -1 says that what was asked for does not stand there.
"""

from __future__ import annotations

import numpy as np

from btcframe.kernels import kernel

_QUOTE, _POINT, _ZERO, _BACKSLASH = (ord(c) for c in '".0\\')
MAX_DIGITS = 18
"""Digits a number may have, its decimals filled up to those of the step."""


def word_of(text: str) -> int:
    """A word of up to eight characters as one integer, the first character lowest."""
    return int.from_bytes(text.encode(), "little")


_TRUE, _FALSE = word_of("true"), word_of("false")


@kernel
def name_at(text, at, name, length):
    """The position after the quoted name, -1 if something else stands there."""
    if text[at] != _QUOTE:
        return -1
    at += 1
    for k in range(length):
        if text[at + k] != name[k]:
            return -1
    at += length
    return at + 1 if text[at] == _QUOTE else -1


@kernel
def word(text, at):
    """A quoted word of up to eight characters as an integer, and the position after it; (-1, -1) for anything else."""
    if text[at] != _QUOTE:
        return -1, -1
    value = 0
    for k in range(9):
        at += 1
        char = int(text[at])
        if char == _QUOTE:
            return value, at + 1
        if k == 8 or char < 32 or char > 126:
            return -1, -1
        value |= char << (8 * k)
    return -1, -1


@kernel
def integer(text, at):
    """A whole number of up to 18 digits, and the position after it; (-1, -1) for anything else."""
    begun = at
    value = 0
    while True:
        digit = int(text[at]) - _ZERO
        if digit < 0 or digit > 9:
            break
        value = value * 10 + digit
        at += 1
    digits = at - begun
    if digits == 0 or digits > MAX_DIGITS or (digits > 1 and text[begun] == _ZERO):
        return -1, -1
    return value, at


@kernel
def truth(text, at):
    """1 or 0 for true or false, and the position after it; (-1, -1) for anything else."""
    value = 0
    for k in range(5):
        value |= int(text[at + k]) << (8 * k)
        if value == _TRUE:
            return 1, at + 4
        if value == _FALSE:
            return 0, at + 5
        if text[at + k] == 0:
            break
    return -1, -1


@kernel
def number(text, at, decimals, units):
    """The decimal that begins at text[at], behind its quotation mark, as a multiple of a step.

    Returns
    -------
    (multiple, after) : (int, int)      `after` is behind the closing quotation mark; (-1, -1) where it is none
    """
    begun = at
    value = 0
    while True:
        digit = int(text[at]) - _ZERO
        if digit < 0 or digit > 9:
            break
        value = value * 10 + digit
        at += 1
    whole = at - begun
    if whole == 0 or whole + decimals > MAX_DIGITS:
        return -1, -1
    missing = decimals
    rest = 0
    if text[at] == _POINT:
        at += 1
        begun = at
        while True:
            digit = int(text[at]) - _ZERO
            if digit < 0 or digit > 9:
                break
            if missing > 0:
                value = value * 10 + digit
                missing -= 1
            else:
                rest |= digit  # padding is zeros: 65114.20
            at += 1
        if at == begun or at - begun > MAX_DIGITS:
            return -1, -1
    if text[at] != _QUOTE:
        return -1, -1
    while missing > 0:
        value *= 10
        missing -= 1
    if units != 1:
        rest |= value % units
        value //= units
    if rest != 0:
        return -1, -1
    return value, at + 1


@kernel
def text_hash(text, at):
    """`hash_of` of a quoted text that is not empty, and the position after it; (-1, -1) for anything else."""
    if text[at] != _QUOTE or text[at + 1] == _QUOTE:
        return -1, -1
    value = np.uint64(14695981039346656037)
    while True:
        at += 1
        char = text[at]
        if char == _QUOTE:
            return np.int64(value >> np.uint64(1)), at + 1
        if char < 32 or char > 126 or char == _BACKSLASH:
            return -1, -1
        value = (value ^ np.uint64(char)) * np.uint64(1099511628211)


def hash_of(text: str) -> int:
    """63 bits of the FNV-1a hash of a text (Fowler, Noll and Vo)."""
    value = 14695981039346656037
    for char in text.encode():
        value = (value ^ char) * 1099511628211 % 2**64
    return value >> 1
