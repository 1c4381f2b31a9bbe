"""The terminal: progress bars with rate and ETA, tables, and nothing at all where nobody looks."""

from __future__ import annotations

import contextlib
import os
import textwrap
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from btcframe.run import Bar, Show

JOINT = " · "
"""Between the parts of a line that says how something stands."""


class Unread(Console):
    """A console whose reader may go away (``| head``): the work goes on, unread."""

    def on_broken_pipe(self) -> None:
        """Called by rich, whose own way is to exit with 1."""
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, self.file.fileno())
        os.close(devnull)


class Terminal:
    """A `btcframe.run.Console` on standard output (results) and standard error (progress)."""

    def __init__(self) -> None:
        self._out = Unread(highlight=False)
        self._err = Unread(stderr=True, highlight=False)

    def say(self, renderable: Any) -> None:
        """Print a line or a rich renderable."""
        text = isinstance(renderable, str)
        self._out.print(renderable, soft_wrap=text, markup=not text)

    @contextlib.contextmanager
    def progress(self, description: str, total: float | None, unit: str) -> Iterator[Bar]:
        """A bar on standard error; silent when that is not a terminal."""
        columns = (TextColumn("{task.description}"), BarColumn(), _Rate(), TimeRemainingColumn())
        quiet = not self._err.is_terminal
        with Progress(*columns, console=self._err, transient=True, disable=quiet) as progress:
            task = progress.add_task(description, total=total, unit=unit)
            yield _Task(progress, task)

    @contextlib.contextmanager
    def watch(self) -> Iterator[Show]:
        """A line on standard error that is replaced twice a second, as many as the terminal's width asks for; where that
        is no terminal, one a minute.
        """
        if not self._err.is_terminal:
            yield _paced(60.0, 60.0, lambda text: self._err.print(text, soft_wrap=True, markup=False))
            return
        with Live(console=self._err, transient=True, auto_refresh=False) as live:
            yield _paced(
                0.0, 0.5, lambda text: live.update(Text(folded(text, self._err.width)), refresh=True)
            )


def folded(text: str, width: int) -> str:
    """A line as several, where it is too wide: parts that are joined by `JOINT` stay whole if they can."""
    lines = [""]
    for part in text.split(JOINT):
        for piece in textwrap.wrap(part, width, break_on_hyphens=False):
            joined = f"{lines[-1]}{JOINT}{piece}" if lines[-1] else piece
            if len(joined) <= width:
                lines[-1] = joined
            else:
                lines.append(piece)
    return "\n".join(lines)


def _paced(first: float, every: float, put: Callable[[str], None]) -> Show:
    """Put lines, the first after so many seconds, the others so far apart at least."""
    due = time.monotonic() + first

    def show(make: Callable[[], str]) -> None:
        nonlocal due
        if (now := time.monotonic()) >= due:
            due = now + every
            put(make())

    return show


class _Rate(ProgressColumn):
    """Count, unit and speed: 120,000 rows, 410,000/s."""

    def render(self, task: Task) -> Text:
        """What stands beside the bar."""
        speed = f", {task.speed:,.0f}/s" if task.speed else ""
        return Text(f"{task.completed:,.0f} {task.fields['unit']}{speed}", style="dim")


class _Task:
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def advance(self, n: float) -> None:
        """n more are done."""
        self._progress.advance(self._task, n)
