"""What `btcframe session status` says of the model."""

from __future__ import annotations

import math
from pathlib import Path

from watched import NOW_NS, Session, ladder, market

from btcframe.cli.session_status import lines
from btcframe.models.drift import Health, LiveIC
from btcframe.models.production import Standing
from btcframe.types import NS
from btcframe.watch.status import read_status
from btcframe.watch.watching import watching


class WithModel(Session):
    """A session whose model stands and fares so."""

    standing = Standing("previous", "KeyError: x", "0123456789abcdef", mock=True)
    refused = "fedcba987654: the model is damaged"

    def model(self) -> dict[str, object]:
        return super().model() | self.standing._asdict() | {"refused": self.refused}


def shown(folder: Path, session: Session) -> list[str]:
    with watching(
        folder, session.live(market=market(ladder(1000, -1), ladder(1002, 1), model_ns=NOW_NS - 90 * NS))
    ):
        return lines(read_status(folder))


def test_a_session_without_a_model_says_nothing_of_it(tmp_path: Path) -> None:
    assert not [line for line in shown(tmp_path, Session()) if "moved" in line or "live IC" in line]


def test_which_one_predicts_and_how_it_fares(tmp_path: Path) -> None:
    session = WithModel()
    live = LiveIC(5 * NS, 900, 180.0, 0.1, -0.0499, 0.2)
    session.health = Health(
        9000, "", {"a": 0.5, "b": 0.1, "c": math.nan}, {}, {"b": 0.4}, (live._replace(low=math.nan), live)
    )
    told = shown(tmp_path, session)
    assert max(map(len, told[1:])) <= 80  # the first names its directory
    words = [" ".join(line.split()) for line in told]
    first = words.index("previous 0123456789ab, MOCK: noise, its data ended 1.5 min ago")
    assert words[first + 1 : first + 6] == [
        "KeyError: x",
        "refused fedcba987654: the model is damaged",
        "moved a 0.50",
        "missing b 40%",
        "live IC 0.100 (-0.050 … 0.200) over 5 s",
    ]


def test_a_model_of_later_data_may_know_the_market(tmp_path: Path) -> None:
    later = market(ladder(1000, -1), ladder(1002, 1), model_ns=NOW_NS + 7200 * NS)
    with watching(tmp_path, WithModel().live(market=later)):
        told = [" ".join(line.split()) for line in lines(read_status(tmp_path))]
    assert any("its data ends 2 h later: it may know this market" in line for line in told)


def test_what_is_not_known_yet_says_so(tmp_path: Path) -> None:
    session = WithModel()
    session.health = Health(9, "too few rows yet: 9 of 2,048")
    told = [" ".join(line.split()) for line in shown(tmp_path, session)]
    assert "moved too few rows yet: 9 of 2,048" in told and "live IC too few labels have ended" in told
    session.health = Health(9000, "", {"a": 0.1})
    told = [" ".join(line.split()) for line in shown(tmp_path, session)]
    assert "moved no column: all PSI up to 0.25" in told
