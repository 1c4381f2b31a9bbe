"""A browser's window, as the reports' tests open it."""

from report.conftest import opened

__all__ = ["opened"]
