"""The terminal: progress bars with rate and ETA, tables, and nothing at all where nobody looks."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from btcframe.run import Bar


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
