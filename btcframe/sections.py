"""The sections of a config: settings that are no component's, one class each; see `config.Root`.

*Architecture Invariant*: plain dataclasses, no hydra and no omegaconf; their docstrings are the settings' documentation.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Build:
    """How the training table is made.

    Parameters
    ----------
    batch : int     rows written to the store at a time; memory grows with it, results do not change
    threads : int   that compute the columns, null for as many as this process may use; results do not change
    rows : bool     write the raw rows, too, for sessions that warm up from the store; part of what a build is
    partition : str    with engine.jobs, how long a stretch of the market is at least that a process makes the rows of;
                    results do not change
    """

    batch: int = 65_536
    threads: int | None = None
    rows: bool = False
    partition: str = "1d"


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
    jobs : int          folds at work at a time, null for engine.jobs; 1: one by one, each in its model's parts, where it has
                        some; results do not change
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
