"""A cluster that is not there is told in seconds."""

from __future__ import annotations

import pytest

from btcframe.engine.ray_cluster import check_cluster
from btcframe.errors import ConfigError


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("head", "engine.address=head: it is no address of a Ray cluster"),
        ("head:x", "it is no address"),
        ("127.0.0.1:1", "engine.address=127.0.0.1:1: no Ray cluster answers"),
        ("ray://127.0.0.1:1", "no Ray cluster answers"),
        ("127.0.0.1:99999", "no Ray cluster answers"),
    ],
)
def test_a_dead_cluster_is_told_in_time(address: str, message: str) -> None:
    pytest.importorskip("ray", reason="the extra btcframe[ray] is not installed")
    with pytest.raises(ConfigError, match=message):
        check_cluster(address)


def test_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"Ray is not installed\n.*pip install 'btcframe\[ray\]'") as error:
        check_cluster("")
    assert error.value.exit_code == 2
