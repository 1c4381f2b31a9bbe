"""The vector type: each operation against NumPy, and the same bits from a lesser machine."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from btcframe.kernels import compile, kernel
from btcframe.kernels.hht import emd, simd


@kernel
def operations(a, b, bits, places, out):
    x, y = simd.load(a, 0), simd.load(b, 0)
    simd.store(out, 0, x + y)
    simd.store(out, 8, x - y)
    simd.store(out, 16, x * y)
    simd.store(out, 24, x / y)
    simd.store(out, 32, simd.fma(x, y, x))
    simd.store(out, 40, simd.fnma(x, y, x))
    simd.store(out, 48, simd.least(x, y))
    simd.store(out, 56, simd.greatest(x, y))
    simd.store(out, 64, simd.keep(x, bits))
    simd.store(out, 72, simd.magnitude(x))
    simd.store(out, 80, simd.pick(x, places))
    simd.store(out, 88, simd.follow(x, y))
    simd.store(out, 96, simd.count_up(3.0))
    simd.store(out, 104, simd.compress(x, bits))
    simd.store2(out, 112, simd.load2(a, 1) * simd.splat2(2.0))
    simd.put(out, 114, simd.get(a, 5))
    simd.put_bits(out, 115, bits)
    return (
        simd.less(x, y), simd.equal(x, y), simd.ones(bits), simd.total(x), simd.lowest(x), simd.highest(x),
        simd.get_bits(out, 115),
    )  # fmt: skip


@pytest.mark.parametrize("bits", [0, 1, 0b10110010, 255])
def test_operations(bits):
    rng = np.random.default_rng(bits)
    a, b, out = rng.normal(size=8), rng.normal(size=8), np.empty(116)
    b[3] = a[3]
    order = rng.integers(0, 8, 8)
    places = order.astype(np.uint8).view(np.uint64)[0]
    less, equal, ones, total, low, high, kept = operations(a, b, bits, places, out)
    mask = (bits >> np.arange(8)) & 1 == 1
    rows = out[:112].reshape(14, 8)
    exact = [a + b, a - b, a * b, a / b]
    assert (rows[:4] == exact).all()
    assert np.allclose(rows[4:6], [a * b + a, a - a * b], rtol=1e-14)
    assert (rows[6:8] == [np.minimum(a, b), np.maximum(a, b)]).all()
    assert (rows[8] == np.where(mask, a, 0)).all() and (rows[9] == np.abs(a)).all()
    assert (rows[10] == a[order]).all() and (rows[11] == [a[7], *b[:7]]).all()
    assert (rows[12] == np.arange(3, 11)).all() and (rows[13][: mask.sum()] == a[mask]).all()
    assert (out[112:114] == 2 * a[1:3]).all() and out[114] == a[5]
    assert less == sum(1 << k for k in range(8) if a[k] < b[k]) and equal == 1 << 3
    assert ones == mask.sum() and kept == bits
    assert np.isclose(total, a.sum()) and low == a.min() and high == a.max()


def test_an_edit_of_the_vector_type_recompiles_what_uses_it(monkeypatch):
    before, digest = compile.stamp(operations.py_func), compile._file_digest
    monkeypatch.setattr(
        compile, "_file_digest", lambda path: "edited" if path == simd.__file__ else digest(path)
    )
    assert compile.stamp(operations.py_func) != before


PRINT = """
import hashlib, numpy as np
from btcframe.kernels.hht import emd
x = np.cumsum(np.random.default_rng(4).normal(size=700))
print(hashlib.sha256(np.vstack(emd(x)).tobytes()).hexdigest())
"""


def test_a_machine_without_avx512_gives_the_same_bits():
    lesser = {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": "+avx,+avx2,+fma,+popcnt,+bmi,+bmi2,+lzcnt"}
    told = subprocess.run(
        [sys.executable, "-c", PRINT],
        env={**os.environ, **lesser},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    x = np.cumsum(np.random.default_rng(4).normal(size=700))
    assert told == hashlib.sha256(np.vstack(emd(x)).tobytes()).hexdigest()
