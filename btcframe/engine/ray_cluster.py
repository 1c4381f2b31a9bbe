"""A Ray cluster: one that stands somewhere, by its address, or one of this machine's own for as long as it is needed."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import os
import socket
from collections.abc import Iterator
from typing import Any

from btcframe.errors import ConfigError

TRIED_S = 5.0
"""How long the head of a cluster may take to answer at all."""

_QUIET = {
    "RAY_AUTH_MODE": "disabled",  # a cluster of our own listens on this machine only; others say what they ask for
    "RAY_USAGE_STATS_ENABLED": "0",  # Ray would tell its makers
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
_UNSAID = "^A worker died or was killed"
"""What Ray would print of each process that dies, a paragraph to the terminal: who had it work says it in a line."""


@contextlib.contextmanager
def connected(address: str, cpus: int) -> Iterator[Any]:
    """Give the module `ray` while a cluster is there.

    Parameters
    ----------
    address : str    HOST:PORT of the head, or ray://HOST:PORT; "": a cluster of this machine's own
    cpus : int       of that one

    Raises
    ------
    ConfigError
        If Ray is not installed, or nobody answers at the address.
    """
    check_cluster(address)
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", _UNSAID)  # it is read once, with the import
    import ray

    if ray.is_initialized():  # a job on the cluster, whose parts are worked on there, too
        yield ray
        return
    if not address:
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
    where: dict[str, Any] = {"address": address} if address else {
        "address": "local", "num_cpus": cpus, "include_dashboard": False,
    }  # fmt: skip
    try:
        ray.init(**where, configure_logging=False, logging_level=logging.ERROR, log_to_driver=False)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise ConfigError(
            f"the Ray cluster {address or 'of this machine'} cannot be used: {said[0]}",
            where="engine.address" if address else "ray",
            hint="The same versions of Python and Ray must be installed there and here.",
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def check_cluster(address: str) -> None:
    """Find out in seconds that a cluster is dead: Ray itself would try for minutes, and may end the process.

    Raises
    ------
    ConfigError
        If Ray is not installed, or nobody answers at the address; "" needs none.
    """
    if importlib.util.find_spec("ray") is None:
        raise ConfigError("Ray is not installed", next="Install it: pip install 'btcframe[ray]'")
    if not address:
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise ConfigError(
            f"engine.address={address}: it is no address of a Ray cluster",
            hint="Write HOST:6379 of its head, or ray://HOST:10001.",
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), TRIED_S).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"engine.address={address}: no Ray cluster answers: {error}",
            hint="Is its head up (ray status there), and its port open from here?",
            next="Without an address a cluster of this machine's own is used: engine=ray",
        ) from None
