"""What can happen to a frame on its way, and how a frame is damaged."""

from __future__ import annotations

import random
from collections.abc import Sequence

_MARKS = b'0123456789.,"[]{}:-+eE \\ntf\0\xff'


def damaged(draw: random.Random, frames: Sequence[bytes]) -> bytes:
    """One of the frames after a few mutations: flipped bits, cut, spliced with another, bytes gone, doubled, put in."""
    data = bytearray(draw.choice(frames))
    for _ in range(draw.choice((1, 1, 1, 2, 3))):
        if not data:
            break
        at, other = draw.randrange(len(data)), draw.choice(frames)
        there = draw.randrange(len(other))
        match draw.randrange(8):
            case 0:
                data[at] ^= 1 << draw.randrange(8)
            case 1:
                del data[at:]
            case 2:
                data = data[:at] + other[there:]
            case 3:
                del data[at : at + draw.randrange(1, 20)]
            case 4:
                data[at:at] = data[at : at + draw.randrange(1, 60)]
            case 5:
                data[at] = draw.choice(_MARKS)
            case 6:
                data[at:at] = bytes([draw.choice(_MARKS)])
            case _:
                size = draw.randrange(1, 80)
                data[at : at + size] = other[there : there + size]
    return bytes(data)
