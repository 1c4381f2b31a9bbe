"""The kill switch: files whose presence counts, whoever wrote them."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btcframe.errors import StoreError
from btcframe.watch.switch import Switch, ask, standing


def test_a_halt_stands_until_somebody_resumes(tmp_path: Path) -> None:
    switch = Switch(tmp_path)
    assert switch.asked() is None and standing(tmp_path) is None
    asked = ask(tmp_path, "halt", "the market looks wrong", now_ns=5)
    told = switch.asked()
    assert told is not None and (told.name, told.why, told.who) == ("halt", asked.why, asked.who)
    assert told.cause == f"asked by {asked.who}: the market looks wrong"
    assert switch.asked() is None  # once
    assert standing(tmp_path) is not None  # for whoever starts from here
    again = Switch(tmp_path).asked()
    assert again is not None and again.name == "halt"
    ask(tmp_path, "resume")
    assert standing(tmp_path) is None
    told = switch.asked()
    assert told is not None and told.name == "resume" and told.cause == f"asked by {asked.who}"
    assert switch.asked() is None and not list(tmp_path.iterdir())


@given(st.lists(st.sampled_from(["halt", "flatten", "resume", "look"]), max_size=12))
@settings(max_examples=60, derandomize=True, deadline=None)
def test_whatever_is_asked_between_two_looks_the_last_word_counts(words: list[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory, state, last = Path(name), "resume", "resume"
        switch = Switch(directory)
        for word in [*words, "look"]:
            if word != "look":
                last = ask(directory, word).name
                assert (standing(directory) is not None) == (last != "resume")
            elif (told := switch.asked()) is not None:
                state = told.name
        assert state == last


def test_what_flattens_halts_and_the_halt_stands(tmp_path: Path) -> None:
    switch = Switch(tmp_path)
    ask(tmp_path, "flatten", "out of here")
    assert (told := switch.asked()) is not None and (told.name, told.why) == ("flatten", "out of here")
    assert switch.asked() is None, "the halt that belongs to it would hold it up"
    assert (told := standing(tmp_path)) is not None and told.why == "out of here"
    assert [path.name for path in tmp_path.iterdir()] == ["halt.json"]
    ask(tmp_path, "halt", "stay as you are")
    assert (told := switch.asked()) is not None and told.name == "halt"


def test_a_second_halt_is_told_again(tmp_path: Path) -> None:
    switch = Switch(tmp_path)
    ask(tmp_path, "halt", "one")
    assert (told := switch.asked()) is not None and told.why == "one"
    ask(tmp_path, "halt", "two")
    assert (told := switch.asked()) is not None and told.why == "two"


def test_where_both_stand_it_is_halted(tmp_path: Path) -> None:
    (tmp_path / "resume.json").touch()
    (tmp_path / "halt.json").touch()
    switch = Switch(tmp_path)
    assert (told := switch.asked()) is not None and told.name == "halt"
    assert switch.asked() is None and (tmp_path / "resume.json").exists()


@pytest.mark.parametrize("text", ["", "{", "[1]", '"halt"', "\x00\xff"])
def test_a_file_made_by_hand_will_do(tmp_path: Path, text: str) -> None:
    (tmp_path / "halt.json").write_text(text)
    told = Switch(tmp_path).asked()
    assert told is not None and told.cause == "asked by hand (halt.json)"


def test_what_cannot_be_read_counts_as_well(tmp_path: Path) -> None:
    (tmp_path / "halt.json").mkdir()
    told = Switch(tmp_path).asked()
    assert told is not None and told.name == "halt"


def test_a_full_disk_that_has_room_for_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    ask(tmp_path, "halt", "never written")
    assert (told := Switch(tmp_path).asked()) is not None and told.why == ""
    with pytest.raises(StoreError, match="the request to resume cannot be written: No space left on device"):
        ask(tmp_path, "resume")
    assert standing(tmp_path) is not None


def test_a_halt_takes_a_resume_back_that_nobody_took(tmp_path: Path) -> None:
    ask(tmp_path, "resume")
    ask(tmp_path, "halt")
    assert [path.name for path in tmp_path.iterdir()] == ["halt.json"]
    assert json.loads((tmp_path / "halt.json").read_text())["name"] == "halt"


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="the request to halt cannot be written"):
        ask(tmp_path / "gone", "halt")
