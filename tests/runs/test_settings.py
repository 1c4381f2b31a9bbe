"""Settings as a flat list, and in which of them runs differ."""

from __future__ import annotations

from small_runs import CONFIG, changed

from btcframe.runs.settings import flat, short, varied, written


def test_a_component_is_named_by_its_slot() -> None:
    told = flat(CONFIG)
    assert (told["model"], told["model.alpha"], told["seed"]) == ("ridge", 1.0, 7)
    assert (told["features"], told["features.book"]) == (["book"], "book")
    assert told["features.book.depths"] == [5, 20]
    assert not any(name.endswith("plugin") for name in told)


def test_only_what_differs_is_told_and_a_component_once() -> None:
    other = changed(CONFIG, model={"plugin": "boosting", "trees": 5}, seed=8)
    assert varied([CONFIG, other]) == {"seed": [7, 8], "model": ["ridge", "boosting"]}
    three = [changed(CONFIG, model__alpha=alpha) for alpha in (1.0, 3.0)]
    assert varied([*three, other]) == {
        "seed": [7, 7, 8],
        "model": ["ridge", "ridge", "boosting"],
        "model.alpha": [1.0, 3.0, None],
    }
    more = changed(CONFIG, features__returns={"plugin": "returns"})
    assert varied([CONFIG, more]) == {"features": [["book"], ["book", "returns"]]}


def test_where_and_how_is_no_difference() -> None:
    other = CONFIG | {"store": {"plugin": "timescale"}, "spool": {"path": "x"}, "verb": "train"}
    assert varied([CONFIG, other]) == {} == varied([CONFIG])


def test_values_and_names_as_one_would_type_them() -> None:
    assert [written(v) for v in (1.0, 0.5, True, None, "", "5s", [1.0, "a"], 1e300)] == [
        "1", "0.5", "true", "null", "''", "5s", "[1,a]", "1e+300",
    ]  # fmt: skip
    assert short(["model.alpha", "policy.size", "risk.max.size"]) == {
        "model.alpha": "alpha", "policy.size": "policy.size", "risk.max.size": "risk.max.size",
    }  # fmt: skip
