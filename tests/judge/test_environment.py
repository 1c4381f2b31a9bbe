"""hftbacktest's environment: made of the pins, made again for others, and said to be missing where it cannot be had."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from judge import environment


def test_it_says_so_where_it_cannot_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    place = tmp_path / "judge"
    with pytest.raises(environment.MissingError, match=r"^hftbacktest cannot be installed: .*No matching"):
        environment.interpreter(place)
    assert not (place / "pins.txt").exists()


def test_what_is_there_with_the_same_pins_is_used(tmp_path: Path) -> None:
    (tmp_path / "pins.txt").write_text(environment.REQUIREMENTS.read_text())
    assert environment.interpreter(tmp_path) == tmp_path / "bin" / "python"


def test_other_pins_make_it_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    place = tmp_path / "judge"
    place.mkdir()
    (place / "pins.txt").write_text("hftbacktest==2.4.3\n")
    with pytest.raises(environment.MissingError):
        environment.interpreter(place)


def test_everything_is_pinned_by_its_checksum_and_names_no_host() -> None:
    text = environment.REQUIREMENTS.read_text()
    pins = [line for line in text.splitlines() if re.match(r"\w", line)]
    assert [pin.split("==")[0] for pin in pins] == ["hftbacktest", "llvmlite", "numba", "numpy"]
    assert all("==" in pin for pin in pins)
    assert "://" not in text
    assert text.count("--hash=sha256:") > 50
