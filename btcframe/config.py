"""The root of every config: what is not a component.

*Architecture Invariant*: no hydra and no omegaconf here. The classes are plain dataclasses, so a job, a test or a
notebook can read the settings without a command line; `hydra_app` turns them into the typed root schema.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from btcframe.combinatorial import Combinatorial
from btcframe.errors import ConfigError, did_you_mean
from btcframe.slots import CHOICES
from btcframe.split import WalkForward
from btcframe.types import duration_ns

LOOKED_AT = {
    "db": ("store", "spool"),
    "exchange": ("source", "seed", "exchange"),
    "doctor": ("source", "store", "spool", "venue", "trade"),
}
"""What takes overrides and is no job, and the settings that it looks at: all others would do nothing."""


@dataclass
class Build:
    """How the training table is made.

    Parameters
    ----------
    batch : int     rows written to the store at a time; memory grows with it, results do not change
    threads : int   that compute the columns, null for as many as this process may use; results do not change
    rows : bool     write the raw rows, too, for sessions that warm up from the store; part of what a build is
    """

    batch: int = 65_536
    threads: int | None = None
    rows: bool = False


@dataclass
class Validation:
    """Which rows a model is fitted on and which it is judged by: docs/models.md.

    Parameters
    ----------
    scheme : str        walk_forward, or combinatorial: groups of rows are tested by models fitted on the others
    folds : int         test windows, in order of time
    every : str         length of a test window, after which there is a new model; "": as long as `folds` makes them
    embargo : str       time kept free between the last training label and the test window
    min_train : int     rows the first training window must have after purging
    expanding : bool    train on everything before the test window, or on a rolling window of constant length
    groups : int        combinatorial: parts the rows are cut into
    test_groups : int   combinatorial: of them tested at a time
    jobs : int          folds at work at a time, null for engine.jobs; results do not change
    uniqueness : bool   a label that overlaps others weighs less
    final : bool        fit one more model, on all rows, for use after them
    """

    scheme: str = "walk_forward"
    folds: int = 5
    every: str = ""
    embargo: str = "1m"
    min_train: int = 500
    expanding: bool = True
    groups: int = 6
    test_groups: int = 2
    jobs: int | None = None
    uniqueness: bool = True
    final: bool = False


@dataclass
class Sweep:
    """Several runs of one command line: docs/sweeps.md.

    Parameters
    ----------
    most : int          jobs that a sweep may have without being asked about
    objective : str     the number that a sweeper optimises: a path into a run's manifest, e.g.
                        results.train.metrics.0.ic.value; "": none
    """

    most: int = 1000
    objective: str = ""


@dataclass
class Engine:
    """Where the heavy parts of a run are worked on: docs/sweeps.md. Results do not change.

    Parameters
    ----------
    kind : str       local: in processes of this machine; ray: on a cluster
    address : str    ray: HOST:PORT of its head, or ray://HOST:PORT; "": a cluster of this machine's own, for this run
    jobs : int       pieces of work at a time, null for as many as there are cores
    """

    kind: str = "local"
    address: str = ""
    jobs: int | None = 1


@dataclass
class Promote:
    """What becomes of a model when it is trained: docs/models.md.

    Parameters
    ----------
    to : str          alias that is to point to the final fit, if the gate lets it through; "": nothing is promoted
    registry : str    directory of the models that are kept
    newest : str      train on the last so long of the table only; 0s: on all of it
    """

    to: str = ""
    registry: str = "models"
    newest: str = "0s"


@dataclass
class Backtest:
    """What the simulated account starts with, and how it ends.

    Parameters
    ----------
    cash : float          in the currency of the account
    flatten : bool        close what is held at the end, at the market; otherwise it is valued at the last mid
    sensitivity : bool    trade it again at other latencies, fees and queues, for the report: a dozen times the work
    """

    cash: float = 100_000.0
    flatten: bool = False
    sensitivity: bool = False


@dataclass
class State:
    """The pipeline's memory, written beside a session for one that starts where it ends.

    Parameters
    ----------
    every : str     market time between two writes of it; 0s writes none
    fresh : str     how long before a session's first event a memory may end that it starts from
    """

    every: str = "1m"
    fresh: str = "10m"


@dataclass
class Spool:
    """Where rows wait on disk while the store is down, slow or full.

    Parameters
    ----------
    path : str          its directory, on a disk of this machine
    fsync : str         always: rows are acknowledged when they are on the disk itself; interval: when the operating
                        system has them, and they are on the disk within spool.interval; never: it decides when
    interval : str      at most this much is lost if the machine itself goes down, with spool.fsync=interval
    every : str         rows wait this long to be written together; a full batch does not wait
    batch : int         rows written to the store at a time
    limit : int         bytes on disk at most; rows beyond it wait in memory
    queue : int         rows in memory at most, between who has them and the disk; those beyond it are lost, and counted
    """

    path: str = "spool"
    fsync: str = "interval"
    interval: str = "1s"
    every: str = "1m"
    batch: int = 65_536
    limit: int = 10_000_000_000
    queue: int = 65_536


@dataclass
class Record:
    """How long a source is recorded, and how its session log is kept.

    Parameters
    ----------
    duration : str      from the first frame on; 0s: until Ctrl-C, or the source ends
    flush : str         real time after which what was consumed is written, however little: the most a crash can lose
    sync : bool         wait for the disk itself each time, so that a crash of the machine loses no more than one of the
                        process
    part : int          bytes on disk after which another file is begun; 0: never
    every : str         time after which another file is begun; 0s: never
    """

    duration: str = "0s"
    flush: str = "1s"
    sync: bool = True
    part: int = 256_000_000
    every: str = "1h"


@dataclass
class Trade:
    """A session: how long it lasts, and what it does about overload. Its account is that of the section `backtest`.

    Parameters
    ----------
    duration : str      from the first item on; 0s: until Ctrl-C, or the source ends
    lag : str           messages that have waited longer to be consumed are left out, as a gap, until a new snapshot
    stall : str         a feature that takes longer for a row is switched off, and nothing more is opened
    metrics : str       where Prometheus may ask, e.g. 127.0.0.1:8770; "": nowhere
    follow : str        how often it looks whether `trained`, an alias, names another model now; 0s: never
    confirm_live : bool     that real money is meant: a venue that trades it is not opened without
    """

    duration: str = "0s"
    lag: str = "2s"
    stall: str = "250ms"
    metrics: str = ""
    follow: str = "5s"
    confirm_live: bool = False


@dataclass
class Lane:
    """What stands between a session's decisions and its disk and store: docs/trade.md.

    Parameters
    ----------
    memory : int        bytes that may wait to be written; from 9/10 of it on the market is left out, as a gap
    soonest : str       what waits is gathered at least so long, unless a batch is full …
    latest : str        … and at most: what a crash of the process can lose
    least : int         items of a batch in a quiet market
    most : int          items of a batch at most
    """

    memory: int = 256_000_000
    soonest: str = "50ms"
    latest: str = "1s"
    least: int = 256
    most: int = 8192


@dataclass
class Exchange:
    """The local exchange: what it lists, where it listens, how fast it goes and what goes wrong.

    Parameters
    ----------
    symbols : list      ccxt's; empty takes the source's own
    host : str          the address it listens at
    port : int          0 takes a free one
    speed : str         market time per time, e.g. 10; max goes as fast as those read who listen
    repeat : bool       let a market begin again where it ends
    duration : str      how long it is open; 0s until it is stopped
    history : int       states of a topic of the book that it remembers, for /control/book
    idle : str          a client that says nothing for so long is disconnected
    limited : bool      whether requests and new connections are counted, and 403 is answered, as Bybit does
    faults : list       what goes wrong by itself: NAME[@FIRST][/EVERY][+LASTING][*AMOUNT][:TOPIC], e.g. drop@10s/30s
    balances : list     what its account begins with: COIN:AMOUNT, e.g. [USDT:100000,BTC:2]
    leverage : float    of the account's futures, until it is set
    maker_fee : float   rate that makers pay in futures
    taker_fee : float   rate that takers pay in futures
    spot_fee : float    rate that all pay on spot
    rights : list       what its key may do: Order, Position, SpotTrade; AccountTransfer, Withdraw, DerivativesTrade
    read_only : bool    its key may look, and change nothing
    hedge : bool        its account holds both sides of a future side by side: its orders are refused
    """

    symbols: list[str] = field(default_factory=list)
    host: str = "127.0.0.1"
    port: int = 8765
    speed: str = "1"
    repeat: bool = False
    duration: str = "0s"
    history: int = 1000
    idle: str = "10m"
    limited: bool = True
    faults: list[str] = field(default_factory=list)
    balances: list[str] = field(default_factory=lambda: ["USDT:100000"])
    leverage: float = 10.0
    maker_fee: float = 0.0002
    taker_fee: float = 0.00055
    spot_fee: float = 0.001
    rights: list[str] = field(default_factory=lambda: ["Order", "Position", "SpotTrade"])
    read_only: bool = False
    hedge: bool = False


@dataclass
class Root:
    """Every setting of every verb. Slots hold component nodes: ``{plugin: name, field: value, …}``.

    Parameters
    ----------
    verb : str          the job: run, record, build, train, backtest, trade, replay, facts, regimes
    seed : int          the one seed; everything random is derived from it
    trained : str       backtest: directory of a finished `train` or `run` whose models to trade, or a model of
                        promote.registry, traded on what follows its training; "" trains first;
                        trade: … whose last model predicts, or a model of promote.registry: an alias, which is
                        followed, digits of its digest, a path; "" predicts nothing
    session : str       replay: directory of the run to replay
    warm_start : str    backtest, trade: directory of an earlier run whose memory to start from; "" starts from
                        nothing
    select : list       feature columns used: names, patterns (ofi_*), families or components; !x leaves out
    beside : list       facts: directories of earlier `facts` runs to put beside this one
    later : int         regimes: rows after which a label is asked for again, to see whether it is revised
    regimes : dict      regimes: the methods that are compared, by name; the first is judged against the others
    """

    verb: str = "???"
    seed: int = 7
    trained: str = ""
    session: str = ""
    warm_start: str = ""
    beside: list[str] = field(default_factory=list)
    later: int = 256
    build: Build = field(default_factory=Build)
    validation: Validation = field(default_factory=Validation)
    promote: Promote = field(default_factory=Promote)
    sweep: Sweep = field(default_factory=Sweep)
    engine: Engine = field(default_factory=Engine)
    backtest: Backtest = field(default_factory=Backtest)
    state: State = field(default_factory=State)
    spool: Spool = field(default_factory=Spool)
    exchange: Exchange = field(default_factory=Exchange)
    record: Record = field(default_factory=Record)
    trade: Trade = field(default_factory=Trade)
    lane: Lane = field(default_factory=Lane)
    source: Any = None
    clock: Any = None
    store: Any = None
    features: dict[str, Any] = field(default_factory=dict)
    select: list[str] = field(default_factory=lambda: ["*"])
    regime: Any = None
    regimes: dict[str, Any] = field(default_factory=dict)
    label: Any = None
    model: Any = None
    policy: Any = None
    risk: dict[str, Any] = field(default_factory=dict)
    venue: Any = None


def splitter(config: Mapping[str, Any]) -> WalkForward | Combinatorial:
    """The splits that the section `validation` asks for.

    Raises
    ------
    ConfigError
        For settings that make no sense.
    """
    settings = Validation(**config["validation"])  # a config of an older version lacks some
    embargo_ns = duration(config, "validation", "embargo")
    every_ns = duration(config, "validation", "every") if settings.every else 0
    walk = WalkForward(settings.folds, embargo_ns, settings.min_train, settings.expanding, every_ns)
    if settings.scheme == "combinatorial":
        return Combinatorial(settings.groups, settings.test_groups, embargo_ns, settings.min_train)
    if settings.scheme != "walk_forward":
        raise ConfigError(
            f"validation.scheme: {settings.scheme!r} is neither walk_forward nor combinatorial",
            hint=did_you_mean(settings.scheme, ("walk_forward", "combinatorial"), "validation.scheme="),
        )
    return walk


def duration(config: Mapping[str, Any], section: str, name: str) -> int:
    """A duration of a section, ns; it may be 0.

    Raises
    ------
    ConfigError
        If it is none.
    """
    try:
        return duration_ns(config[section][name], zero=True)
    except ValueError as error:
        raise ConfigError(f"{section}.{name}: {error}") from error


def nodes(config: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    """Every component node of a config as (slot, path, node)."""
    found = []
    for key, slot in CHOICES.items():
        chosen = config.get(key)
        if slot.many:
            found += [(slot.name, f"{key}.{name}", node) for name, node in (chosen or {}).items()]
        else:
            found.append((slot.name, key, chosen))
    return found


def presets(config_paths: Iterable[str], group: str = "experiment") -> list[str]:
    """Names of the files of a config group, of btcframe and of the plugins' config packages."""
    found = set()
    for path in ("pkg://btcframe.conf", *config_paths):
        if path.startswith("pkg://"):
            package, *parts = path.removeprefix("pkg://").split("/")
            folder: Traversable = resources.files(package).joinpath(*parts)
        else:
            folder = Path(path.removeprefix("file://"))
        folder = folder.joinpath(group)
        if folder.is_dir():
            found |= {f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml")}
    return sorted(found)


def digest(value: Any) -> str:
    """sha256 of the canonical JSON of plain values."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
