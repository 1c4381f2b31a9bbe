"""`python -m benchmarks [NAME …]`: every claim, or those named."""

from __future__ import annotations

import importlib
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy

from benchmarks.frame import console

NAMES = (
    "synthetic",
    "rows",
    "binance",
    "bybit",
    "days",
    "live",
    "trade",
    "orders",
    "latency",
    "signals",
    "features",
    "regimes",
    "stability",
    "serving",
    "models",
    "trading",
    "judge",
    "policies",
    "generosity",
    "store",
    "spool",
    "session_log",
    "warm",
    "main",
    "sweeps",
    "startup",
    "memory",
    "calibration",
    "choosing",
    "hht",
)


def machine() -> str:
    cpu = Path("/proc/cpuinfo")
    wide = "AVX-512" if cpu.exists() and "avx512f" in cpu.read_text() else "no AVX-512"
    return (
        f"{os.cpu_count()}-core {platform.machine()}, {wide}; Python {platform.python_version()}, "
        f"NumPy {numpy.__version__}; load {os.getloadavg()[0]:.1f}"
    )


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        console.print(f"there is no benchmark {unknown[0]}; there are {', '.join(NAMES)}", style="red")
        return 2
    if len(names) == 1:
        console.print(f"{names[0]}: {machine()}", style="bold")
        importlib.import_module(f"benchmarks.{names[0]}").main()
        return 0
    # each in a process of its own: first calls are first calls, and memory is nobody else's
    failed = [name for name in names or NAMES if subprocess.call([sys.executable, "-m", "benchmarks", name])]
    if failed:
        console.print(f"failed: {', '.join(failed)}", style="red")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
