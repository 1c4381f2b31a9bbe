from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from btcframe.errors import StoreError
from btcframe.regime_study.growing import Growing


def test_rows_come_back_as_they_were_added(tmp_path: Path) -> None:
    growing = Growing(np.float64, 3, tmp_path)
    blocks = [np.random.default_rng(k).normal(size=(n, 3)) for k, n in enumerate((5, 0, 70_000))]
    for block in blocks:
        growing.add(np.asfortranarray(block))
    found = growing.finish()
    np.testing.assert_array_equal(found, np.concatenate(blocks))
    assert found.flags.c_contiguous
    assert not list(tmp_path.iterdir())


def test_nothing_is_an_array_too(tmp_path: Path) -> None:
    assert Growing(np.int64, 2, tmp_path).finish().shape == (0, 2)
    assert Growing(np.int64, 0, tmp_path).finish().shape == (0, 0)


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    growing = Growing(np.int64, 1, tmp_path)

    class Full:
        def write(self, data: bytes) -> int:
            raise OSError(28, "No space left on device")

    growing._file.close()
    monkeypatch.setattr(growing, "_file", Full())
    with pytest.raises(StoreError, match="the rows cannot be written: No space left on device"):
        growing.add(np.zeros((1, 1)))
