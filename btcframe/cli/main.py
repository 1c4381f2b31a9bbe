"""The command line: verbs are jobs and Hydra applications, nouns are things and, but for the store, need no Hydra.

*Architecture Invariant*: `btcframe --help` imports nothing but the standard library; every import below is paid
by the command that needs it.
"""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback

VERBS = {
    "run": "build, train, backtest and report in one go: the main job",
    "record": "what a source gives, untouched, into a session log: to be run, built and judged on again",
    "build": "events to the training table: rows, features, regime descriptors, labels",
    "train": "purged walk-forward training and out-of-sample predictions",
    "backtest": "out-of-sample predictions against the simulated venue",
    "trade": "a session: a live market, predictions, orders on paper; logged, stored, to be gone on with",
    "replay": "a recorded session again: the same intents, bit for bit",
    "regimes": "market regimes judged by use: hht against hmm and volatility, on the same rows",
    "facts": "stylised facts of a market: spread, depth, tails, clustering, order flow",
}
NOUNS = {
    "plugins": "what is installed: slots, names, parameters, failures (list, check, new; --json, --markdown)",
    "features": "feature columns, all or some: unit, range, formula, source, cost (--json, --markdown, --no-cost)",
    "db": "the store: make, look at, migrate, verify, compact it; the spool before it (key=value …; --json)",
    "exchange": "a local exchange that speaks Bybit V5, with faults on demand (key=value …; --faults)",
    "doctor": "how all of it stands, and what to do: versions, clock, disk, store, exchange, keys (key=value …; --json)",
    "session": "how a trading session stands, its kill switch, why an order was what it was (status, halt, …; --json)",
    "models": "the models that are kept: what they are worth, which is in use (list, show, compare, promote; --json)",
    "runs": "runs and sweeps: which there are, what they differ in, what the best is worth (list, show, diff, …; --json)",
    "report": "the page of a finished run made again: btcframe report DIR [OTHER, laid over it] [--sensitivity]",
    "completion": 'tab completion: eval "$(btcframe completion bash)", or zsh',
}
SUBCOMMANDS = {
    "plugins": ("list", "check", "new", "--json", "--markdown"),
    "features": ("--json", "--markdown", "--no-cost"),
    "db": ("init", "status", "migrate", "verify", "compact", "drain", "roles"),
    "exchange": ("--faults",),
    "doctor": ("--json", "--smoke-order"),
    "session": ("status", "halt", "flatten", "resume", "explain"),
    "models": ("list", "show", "compare", "promote"),
    "runs": ("list", "show", "diff", "compare", "rerun", "resume"),
    "report": ("--sensitivity",),
    "completion": ("bash", "zsh"),
}

HELP = """\
btcframe: machine-learned BTC trading on level-2 order-book data, every part a plugin.

  btcframe VERB [key=value …] [-m]     run a job; override any setting, sweep with -m
  btcframe NOUN [command] [--json]     look at a thing

Verbs
{verbs}

Nouns
{nouns}

Examples
  btcframe run                                              the main job on a synthetic market
  btcframe run source=binance_raw 'source.paths=[a.gz,b.gz]' clock.every=100ms
  btcframe train model=ridge model.alpha=1,10 -m            a sweep
  btcframe run --cfg job                                    every setting, resolved

Exit codes: 0 done · 1 a bug of ours · 2 configuration · 3 plugin · 4 data · 5 store or disk · 6 model ·
7 replay differs · 8 session does not run or answer · 9 model not promoted · 10 doctor: something fails ·
11 jobs of a sweep failed · 130 interrupted.
Tracebacks: add hydra.verbose=true.
"""


_DB_HELP = """
  init            make what the store needs
  status          what stands there: tables, rows, bytes, builds, and what waits in the spool
  migrate         bring what an older btcframe made to this version, and what the settings say of tables
  verify [BUILD]  read one build, or all, and compare with what was sealed; exit code 5 if anything is wrong
  compact         few large pieces for many small ones, and away with what nobody needs
  drain           bring in what waits in the spool (--retry: what was refused, too; --anyway: for another store)
  roles           print a script that makes roles of least rights, where the store has roles

Which store: store=delta store.path=lake, or store=timescale store.host=HOST …; its settings: btcframe db --cfg job
"""

_EXCHANGE_HELP = """
  btcframe exchange                                                  a synthetic market, at 127.0.0.1:8765
  btcframe exchange 'exchange.symbols=[BTC/USDT:USDT,BTC/USDT]' exchange.speed=10
  btcframe exchange source=cryptofeed_capture source.path=FILE exchange.repeat=true
  btcframe exchange 'exchange.faults=[drop@10s/30s,gap@5s*3]'        what goes wrong by itself, and when

Every fault: btcframe exchange --faults   Every setting: btcframe exchange --cfg job   It is stopped with Ctrl-C.
"""

_DOCTOR_HELP = """
  btcframe doctor                                       what a session on the default market would meet
  btcframe doctor venue=ccxt venue.endpoint=testnet source.endpoint=testnet       and one with real orders
  btcframe doctor store=timescale store.host=HOST       and another store
  btcframe doctor --smoke-order venue=ccxt venue.endpoint=testnet source.endpoint=testnet
                        the first order there: rests far from the market; seen, asked for, amended, canceled, and gone

But for the smoke order nothing is changed, and no order is sent. Exit code 10 if anything fails. Every setting:
btcframe doctor --cfg job
"""

_PLUGINS_HELP = """
  list                    every component with its settings, and every plugin that cannot be used
  check DISTRIBUTION      the contract of all that it registers, without pytest
  new NAME --slot SLOT    a plugin to be filled in: component, plain reference, contract test, benchmark (--dir DIR: where)

Slots: source clock store features regime label model policy risk venue. --json is for scripts, --markdown for a page.
"""

_REPORT_HELP = """
  btcframe report DIR                  the page of a finished run again
  btcframe report DIR OTHER            with another run on the same market laid over it: paper over a backtest
  btcframe report DIR --sensitivity    plays its session at other latencies, fees and queues first: a dozen replays
"""

_SESSION_HELP = """
  status [DIR]          how it stands; exit code 8 if it is stuck or has died
  halt [DIR]            cancel everything and send nothing more; if it does not answer its process is ended
                        (--why TEXT, --wait SECONDS, --no-kill); where a session starts from it, it begins halted
  flatten [DIR]         halt, and close what is held (--why TEXT, --wait SECONDS); where its process has gone, by asking
                        the exchange itself
  resume [DIR]          go on (--why TEXT, --wait SECONDS)
  explain ORDER [DIR]   what was seen, predicted, decided, vetoed, sent, answered and filled; without ORDER: its orders
                        (--features: the row's least usual features, from the log played up to it; --all: all of them)

DIR is the session's directory; without it the newest below runs/ whose process runs, for explain the newest run or
session that traded. --json is for scripts.
"""

_MODELS_HELP = """
  list                  all models: alias, market, until when trained and by which run, IC and R² by horizon
  show [NAME]           everything about one: settings, versions, worth, the gate's view, features, promotions
  compare NAME NAME …   metrics side by side, what may be said of them, and in which settings they differ
  promote NAME          let the alias --as (production) point to it, if the gate lets it through, else exit code 9
                        (--force --reason TEXT: whatever the gate says; it is written down)

NAME is an alias, the first digits of a model, the directory of a run, or of an artefact. --registry DIR (models) is
where they are kept; --json is for scripts. Train and promote in one: btcframe train promote.to=production
"""


_RUNS_HELP = """
  list [DIR]        runs and sweeps below runs/ or DIR, the newest first; of a sweep its jobs
  show RUN          everything about one: command, build, code, what it came to
  diff A B          in what two differ: config, data, code, metrics
  compare DIR …     a ranking, market by market, and what it allows to be said: how much was tried, deflated Sharpe ratio,
                    probability of backtest overfitting, lead over the median (--html FILE: a page; --by net|ic,
                    --horizon 5s: what is ranked)
  rerun RUN         the same again, and whether it is the same to the bit, else exit code 7 (--dir DIR: where)
  resume DIR        what is missing of a sweep (--force: with other code or settings than it began with)

RUN is a run's directory, or how its name or id below runs/ begins. --json is for scripts.
"""


def main() -> int:
    """Entry point of the `btcframe` command; returns the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # an ASCII terminal gets \u2212 for −, as JSON writes it
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return _spoken(sys.argv[1:])
    finally:
        _flush()


def _flush() -> None:
    """Write out what is buffered while it can still be said where it went: at exit it would be an error."""
    try:
        if sys.stdout is not None:  # as under `>&-`
            sys.stdout.flush()
    except BrokenPipeError:
        _let_go()


def _let_go() -> None:
    """The reader has gone away, as `| head` does: nobody wants the rest."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _spoken(arguments: list[str]) -> int:
    """Run a command and put into words whatever stops it."""
    verbose = "hydra.verbose=true" in arguments
    try:
        return dispatch(arguments)
    except KeyboardInterrupt:
        _complain("Interrupted. Nothing half-written counts as whole; the same command starts again.")
        return 130
    except BrokenPipeError:
        _let_go()
        return 0
    except Exception as error:  # noqa: BLE001 - the last place an error can be put into words
        return _explain(error, verbose)


def dispatch(arguments: list[str]) -> int:
    """Run one command."""
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(_help(), end="")
        return 0
    word, rest = arguments[0], arguments[1:]
    if word == "--version":
        from btcframe import __version__

        print(f"btcframe {__version__}")
    elif word == "__complete":
        from btcframe.cli.completion import complete

        print("\n".join(complete(rest[0], rest[1], tuple(VERBS), SUBCOMMANDS)))
    elif word in VERBS:
        from btcframe.cli.hydra_app import main as hydra_main

        hydra_main(word, _positional(word, rest))
    elif word in NOUNS and {"-h", "--help"} & set(rest):
        usage = (
            "DIR [OTHER] [--sensitivity]" if word == "report" else f"[{'|'.join(SUBCOMMANDS[word]) or 'DIR'}]"
        )
        print(f"btcframe {word}: {NOUNS[word]}\n  btcframe {word} {usage}")
        if word == "db":
            print(_DB_HELP, end="")
        if word == "exchange":
            print(_EXCHANGE_HELP, end="")
        if word == "doctor":
            print(_DOCTOR_HELP, end="")
        if word == "session":
            print(_SESSION_HELP, end="")
        if word == "models":
            print(_MODELS_HELP, end="")
        if word == "plugins":
            print(_PLUGINS_HELP, end="")
        if word == "runs":
            print(_RUNS_HELP, end="")
        if word == "report":
            print(_REPORT_HELP, end="")
    elif word == "exchange":
        from btcframe.cli import exchange as exchange_command

        return exchange_command.main(rest)
    elif word == "doctor":
        from btcframe.cli import doctor

        return doctor.main(rest)
    elif word == "session":
        from btcframe.cli import session as session_command

        return session_command.main(rest)
    elif word == "models":
        from btcframe.cli import models

        return models.main(rest)
    elif word == "runs":
        from btcframe.cli import runs

        return runs.main(rest)
    elif word == "db":
        from btcframe.cli import db

        return db.main(rest)
    elif word in NOUNS:
        from btcframe.cli import nouns

        return nouns.main(word, rest)
    else:
        from btcframe.errors import ConfigError, did_you_mean

        raise ConfigError(
            f"btcframe {word}: there is no such command",
            hint=did_you_mean(word, [*VERBS, *NOUNS], "btcframe "),
            next="All commands: btcframe --help",
        )
    return 0


def _positional(verb: str, arguments: list[str]) -> list[str]:
    """`btcframe replay DIR` means session=DIR."""
    if verb == "replay" and arguments and "=" not in arguments[0] and not arguments[0].startswith("-"):
        return [f"session='{arguments[0]}'", *arguments[1:]]
    return arguments


def _help() -> str:
    def listed(table: dict[str, str]) -> str:
        return "\n".join(f"  {name:<11} {text}" for name, text in table.items())

    return HELP.format(verbs=listed(VERBS), nouns=listed(NOUNS))


def _explain(error: Exception, verbose: bool) -> int:
    from btcframe.errors import BtcframeError, StoreError

    if verbose:
        traceback.print_exception(error)
    if isinstance(error, OSError) and error.errno in _DISK:
        error = StoreError(
            f"{_DISK[error.errno]}: {error.filename or 'no file named'}",
            hint="Free space or choose another place: hydra.run.dir=… for the run, store.path=… for the store.",
        )
    if isinstance(error, BtcframeError):
        _complain(str(error))
        return error.exit_code
    _complain(f"{type(error).__name__}: {error}\nThis is a bug in btcframe or a plugin.")
    if not verbose:
        _complain("See where: run it again with hydra.verbose=true")
    return 1


_DISK = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "no permission to write",
    errno.EPERM: "no permission to write",
    errno.EROFS: "the file system is read-only",
    errno.ENOTDIR: "a part of the path is a file, not a directory",
    errno.EEXIST: "this is a file, not a directory",
    errno.EISDIR: "this is a directory, not a file",
}


def _complain(text: str) -> None:
    print(text, file=sys.stderr)
