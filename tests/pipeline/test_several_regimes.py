"""Choosing the regimes that `btcframe regimes` compares: as the features are chosen, and typos caught as there."""

from __future__ import annotations

import re

import pytest
from test_conf import resolved

from btcframe.cli.hydra_overrides import check_overrides
from btcframe.errors import BtcframeError, ConfigError
from btcframe.plugins import discover
from btcframe.run import check
from btcframe.settings import check_settings


def chosen(*overrides: str) -> dict[str, str]:
    check_overrides(discover(), "regimes", list(overrides))
    return {name: node["plugin"] for name, node in resolved("regimes", *overrides)["regimes"].items()}


def test_the_first_is_judged_against_two_baselines() -> None:
    assert list(chosen()) == ["hht", "hmm", "volatility"]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["regimes=[volatility,hht]"], {"volatility": "volatility", "hht": "hht"}),
        (["~regimes.hmm"], {"hht": "hht", "volatility": "volatility"}),
        (["regimes=[hht]", "+regimes@regimes.long=hht"], {"hht": "hht", "long": "hht"}),
        (["regimes=[hht]", "+regime@regimes.long=hht"], {"hht": "hht", "long": "hht"}),
    ],
)
def test_they_are_chosen_as_features_are(overrides: list[str], expected: dict[str, str]) -> None:
    assert chosen(*overrides) == expected


def test_a_second_one_has_settings_of_its_own() -> None:
    found = resolved("regimes", "+regimes@regimes.long=volatility", "regimes.long.window=900")["regimes"]
    assert found["long"]["window"] == 900 and found["volatility"]["window"] == 300


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("regime=hht", "regime=hht: this report compares several regimes (command line, 1st override).\nWrite 'regimes=[hht,…]'"),
        ("regimes=[hhtt]", "there is no such regime plugin (command line, 1st override).\nDid you mean regime=hht?"),
        ("+regimes@regimes.x=hhtt", "there is no such regime plugin"),
        ("~regimes", "~regimes: this cannot be taken away (command line, 1st override).\nWrite ~regimes.hht"),
        ("+regimes=volatility", "regimes is chosen already, by default"),
        ("regimes.hht.plugin=hmm", "regimes.hht.plugin: a plugin is chosen by its slot"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(override: str, says: str) -> None:
    with pytest.raises(BtcframeError, match=re.escape(says)):
        check_overrides(discover(), "regimes", [override])


def test_other_verbs_have_one_regime() -> None:
    check_overrides(discover(), "train", ["regime=hht"])
    assert resolved("train")["regimes"] == {}


def test_settings_are_checked_before_any_work() -> None:
    config = resolved("regimes", "regimes.volatility.window=1")
    with pytest.raises(ConfigError, match=r"regimes\.volatility\.window: 1 is less than 2 rows"):
        check(config, discover())
    with pytest.raises(ConfigError, match="later: 0 is not a number of rows"):
        check_settings(resolved("regimes", "later=0"))
