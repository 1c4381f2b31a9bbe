from __future__ import annotations

import json
import re
from decimal import Decimal

import numpy as np
import pytest
from driven import property_test
from hypothesis import given
from hypothesis import strategies as st

from btcframe.kernels.quotes import grid
from btcframe.kernels.scanning import (
    MAX_DIGITS,
    hash_of,
    integer,
    name_at,
    number,
    text_hash,
    truth,
    word,
    word_of,
)

texts = st.text('0123456789.-+eE" \\x\x00é', max_size=24)
steps = st.sampled_from([Decimal(s) for s in ("1", "0.1", "0.001", "0.5", "0.25", "5", "0.000001", "2.5")])


@property_test
@given(st.one_of(texts, st.decimals(0, 10**12, places=6).map(str)), steps)
def test_a_number_is_a_multiple_of_the_step_or_none(text: str, step: Decimal) -> None:
    decimals, units = grid(step)
    got, after = number(text.encode() + b'"\0', 0, decimals, units)
    shown = text.partition('"')[0]
    match = re.fullmatch(r"([0-9]+)(\.[0-9]{1,18})?", shown, re.ASCII)
    if match is None or len(match[1]) + decimals > MAX_DIGITS or Decimal(shown) % step:
        assert (got, after) == (-1, -1)
    else:
        assert got * step == Decimal(shown)
        assert after == len(shown) + 1


@property_test
@given(st.one_of(st.text("0123456789-.", max_size=22), st.integers(0, 10**19).map(str)))
def test_an_integer_is_jsons(text: str) -> None:
    digits = re.match(r"[0-9]*", text)[0]
    try:
        whole = json.loads(digits) if len(digits) <= MAX_DIGITS else None
    except ValueError:
        whole = None
    expected = (-1, -1) if whole is None else (whole, len(digits))
    assert integer(text.encode() + b"\0", 0) == expected


@property_test
@given(st.text(max_size=12))
def test_a_word_is_up_to_eight_plain_characters(text: str) -> None:
    shown = text.partition('"')[0]
    plain = len(shown) <= 8 and all(32 <= ord(c) <= 126 for c in shown)
    expected = (word_of(shown), len(shown) + 2) if plain else (-1, -1)
    assert word(f'"{text}"'.encode() + b"\0", 0) == expected


@property_test
@given(st.text(max_size=40))
def test_the_hash_of_a_text_is_that_of_its_bytes(text: str) -> None:
    shown = text.partition('"')[0]
    plain = shown and all(32 <= ord(c) <= 126 and c != "\\" for c in shown)
    expected = (hash_of(shown), len(shown) + 2) if plain else (-1, -1)
    assert text_hash(f'"{text}"'.encode() + b"\0", 0) == expected


def test_the_hash_is_fnv_1a() -> None:
    # the published values of "", "a" and "foobar"; the lowest bit is given up
    for text, value in (("", 0xCBF29CE484222325), ("a", 0xAF63DC4C8601EC8C), ("foobar", 0x85944171F73967E8)):
        assert hash_of(text) == value >> 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", (1, 4)),
        ("false", (0, 5)),
        ("True", (-1, -1)),
        ("tru", (-1, -1)),
        ("", (-1, -1)),
        ("fals}", (-1, -1)),
    ],
)
def test_truth(text: str, expected: tuple[int, int]) -> None:
    assert truth(text.encode() + b"\0", 0) == expected


@pytest.mark.parametrize(
    ("text", "after"),
    [('"abc"', 5), ('"abcd"', -1), ('"ab"', -1), ("abc", -1), ('"abc', -1), ('"', -1), ("", -1)],
)
def test_a_name(text: str, after: int) -> None:
    name = np.frombuffer(b"abc\0\0", np.uint8)
    assert name_at(text.encode() + b"\0", 0, name, 3) == after
