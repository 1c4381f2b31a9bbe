"""Ensembles: the same signal with different noise, decomposed and averaged (EEMD, CEEMDAN), as PyEMD does.

Trials are worked through in blocks of fixed size, and the blocks' sums added in their order, so the bits do not depend
on how many threads there are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from btcframe.kernels import kernel
from btcframe.kernels.hht import checks
from btcframe.kernels.hht.modes import Decomposition, decompose_rows
from btcframe.kernels.hht.noise import white_noise
from btcframe.kernels.hht.parallel import share_out

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

_BLOCK = 5  # trials a thread takes at a time
_NOTHING = 1e-8  # a residue no larger than that anywhere is none (numpy.allclose, which PyEMD asks)
_LEAST_RANGE, _LEAST_POWER, _MOST_STAGES = 0.01, 0.05, 101  # PyEMD's range_thr, total_power_thr and max_imf


@dataclass(frozen=True)
class NoiseBank:
    """Noise, decomposed once: CEEMDAN's noise does not depend on the signal, so one bank serves many.

    Parameters
    ----------
    modes : ndarray     float64 (trials, rows, n), each over the standard deviation of its trial's first
    counts : ndarray    int64 (trials,), rows that count: modes, and the residue behind them
    """

    modes: Floats
    counts: Counts


def noise_bank(
    n: int,
    *,
    trials: int = 100,
    seed: int = 0,
    noise: npt.ArrayLike | None = None,
    stop: str = "pyemd",
    sifts: int = 10,
    threads: int | None = None,
) -> NoiseBank:
    """Decompose the noise of `ceemdan(noise=…)` beforehand, for signals of n samples.

    Parameters
    ----------
    n : int             samples
    trials, seed :      realisations of white noise, and where they begin
    noise : array_like  (trials, n), realisations of your own instead
    stop, sifts :       as in `emd`; the same as in `ceemdan` for PyEMD's results
    threads : int       None for as many as there are processors; the bits are the same
    """
    given = _realisations(noise, n)
    trials = trials if given is None else len(given)
    checks.at_least("n", n, 3)
    checks.at_least("trials", trials, 1)
    rule = checks.rule(stop, sifts)
    most = 4 + n.bit_length()
    parts: list[tuple[Floats, Counts]] = [(np.empty((0, 0, 0)), np.empty(0, np.int64))] * -(-trials // _BLOCK)

    def block(number: int) -> None:
        first = number * _BLOCK
        last = min(trials, first + _BLOCK)
        signals = white_noise(last - first, n, seed=seed, first=first) if given is None else given[first:last]
        modes, counts = decompose_rows(signals, None, most, rule, sifts)
        _scale_by_first(modes, counts)
        parts[number] = modes, _used_rows(modes, counts)

    share_out(block, len(parts), checks.threads(threads))
    return NoiseBank(_stack([modes for modes, _ in parts]), np.concatenate([counts for _, counts in parts]))


def eemd(
    x: npt.ArrayLike,
    *,
    trials: int = 100,
    noise_width: float = 0.05,
    seed: int = 0,
    max_imfs: int | None = None,
    stop: str = "pyemd",
    sifts: int = 10,
    threads: int | None = None,
    noise: npt.ArrayLike | None = None,
) -> Decomposition:
    """Ensemble empirical mode decomposition (Wu & Huang 2009), as PyEMD's EEMD.

    The mean of the k-th rows of emd(x + noise_width·(max x − min x)·noise_t) over the trials that have one; a trial's
    residue is its last row.

    Parameters
    ----------
    x : array_like          (n,), real and finite
    trials : int            realisations of noise
    noise_width : float     standard deviation of the noise, in ranges of x
    seed : int              trial t's noise is a function of seed and t
    max_imfs, stop, sifts : as in `emd`, of each trial
    threads : int           None for as many as there are processors; the bits are the same
    noise : array_like      (trials, n), realisations of your own instead, of standard deviation 1

    Returns
    -------
    Decomposition           imfs are the mean rows, the last of them the residues' mean for most; `residue` is x less
                            their sum

    Raises
    ------
    ValueError
        As `emd`, or if noise does not fit x.
    """
    values = checks.signal(x)
    n = values.size
    given = _realisations(noise, n)
    trials = trials if given is None else len(given)
    checks.at_least("trials", trials, 1)
    checks.at_least("noise_width", noise_width, 0.0)
    rule = checks.rule(stop, sifts)
    if max_imfs is not None:
        checks.at_least("max_imfs", max_imfs, 1)
    most = max_imfs or 4 + n.bit_length()
    width = noise_width * float(values.max() - values.min())
    sums: list[tuple[Floats, Counts]] = [(np.empty((0, n)), np.empty(0, np.int64))] * -(-trials // _BLOCK)

    def block(number: int) -> None:
        first = number * _BLOCK
        last = min(trials, first + _BLOCK)
        signals = (
            white_noise(last - first, n, seed=seed, first=first)
            if given is None
            else given[first:last].copy()
        )
        signals *= width
        signals += values
        modes, counts = decompose_rows(signals, max_imfs, most, rule, sifts)
        used = _used_rows(modes, counts)
        total = np.zeros((int(used.max()), n))
        _add_rows(modes, used, total)
        sums[number] = total, np.array([(used > k).sum() for k in range(len(total))])

    share_out(block, len(sums), checks.threads(threads))
    rows = max(len(total) for total, _ in sums)
    mean, having = np.zeros((rows, n)), np.zeros(rows, np.int64)
    for total, counts in sums:
        mean[: len(total)] += total
        having[: len(total)] += counts
    mean /= having[:, None]
    return Decomposition(mean, values - mean.sum(0))


def ceemdan(
    x: npt.ArrayLike,
    *,
    trials: int = 100,
    noise_width: float = 0.005,
    seed: int = 0,
    max_imfs: int | None = None,
    stop: str = "pyemd",
    sifts: int = 10,
    threads: int | None = None,
    noise: npt.ArrayLike | NoiseBank | None = None,
) -> Decomposition:
    """Complete ensemble EMD with adaptive noise (Torres et al. 2011; Colominas et al. 2014), as PyEMD's CEEMDAN.

    With M(·) what is left of a signal without its first mode and E_k(·) its k-th, in units of std(x): the first mode
    is the mean over trials of E_1(x + ε·E_1(noise_t)); then r_k = mean of M(r_{k−1} + ε·std(r_{k−1})·E_k(noise_t)) and
    mode k is r_{k−1} − r_k, until r_k has no mode, or a range below 0.01 or Σ|r_k| below 0.05.

    Parameters
    ----------
    x : array_like          (n,), real and finite
    trials : int            realisations of noise
    noise_width : float     ε, PyEMD's epsilon
    seed : int              trial t's noise is a function of seed and t
    max_imfs : int          modes at the most
    stop, sifts :           as in `emd`
    threads : int           None for as many as there are processors; the bits are the same
    noise : array_like      (trials, n), realisations of your own instead; or a NoiseBank, whose trials count

    Returns
    -------
    Decomposition

    Raises
    ------
    ValueError
        As `emd`, or if noise does not fit x.
    """
    values = checks.signal(x)
    n = values.size
    checks.at_least("noise_width", noise_width, 0.0)
    rule = checks.rule(stop, sifts)
    if max_imfs is not None:
        checks.at_least("max_imfs", max_imfs, 1)
    scale = float(values.std())
    if n < 3 or scale == 0.0:
        return Decomposition(np.empty((0, n)), values.copy())
    if isinstance(noise, NoiseBank):
        bank = noise
        if bank.modes.shape[2] != n:
            raise ValueError(
                f"the noise bank is for {bank.modes.shape[2]} samples, x has {n}: noise_bank({n})."
            )
    else:
        bank = noise_bank(n, trials=trials, seed=seed, noise=noise, stop=stop, sifts=sifts, threads=threads)
    signal = values / scale
    stage = _Stages(bank, rule, sifts, checks.threads(threads))
    modes = [stage.mean_row(signal, 0, noise_width, 0)]
    left = signal - modes[0]
    whole = left
    while len(modes) != max_imfs and len(modes) < _MOST_STAGES and not _ended(whole, rule, sifts):
        local_mean = stage.mean_row(left, len(modes), noise_width * float(left.std()), -1)
        modes.append(left - local_mean)
        left = local_mean
        whole = signal - np.sum(modes, axis=0)
    return Decomposition(np.array(modes) * scale, whole * scale)


@dataclass(frozen=True)
class _Stages:
    """The trials of a CEEMDAN."""

    bank: NoiseBank
    rule: int
    sifts: int
    threads: int

    def mean_row(self, signal: Floats, k: int, width: float, row: int) -> Floats:
        """Mean over trials of a row, 0 or −1, of emd(signal + width · noise's mode k), one mode and the residue."""
        trials, _, n = self.bank.modes.shape
        sums = np.zeros((-(-trials // _BLOCK), n))

        def block(number: int) -> None:
            first = number * _BLOCK
            last = min(trials, first + _BLOCK)
            signals = np.empty((last - first, n))
            _perturb(signal, self.bank.modes[first:last], self.bank.counts[first:last], k, width, signals)
            parts, counts = decompose_rows(signals, 1, 1, self.rule, self.sifts)
            _add_row(parts, counts, row, sums[number])

        share_out(block, len(sums), self.threads)
        mean: Floats = sums.sum(0) / trials
        return mean


def _ended(left: Floats, rule: int, sifts: int) -> bool:
    """PyEMD's CEEMDAN.end_condition."""
    parts, counts = decompose_rows(left[None], 1, 1, rule, sifts)
    return bool(
        _used_rows(parts, counts)[0] == 1 or np.ptp(left) < _LEAST_RANGE or np.abs(left).sum() < _LEAST_POWER
    )


def _realisations(noise: npt.ArrayLike | None, n: int) -> Floats | None:
    if noise is None:
        return None
    given = np.asarray(noise)
    if given.ndim != 2 or given.shape[1] != n or not len(given):
        raise ValueError(f"noise has the shape {given.shape}; one realisation a row is (trials, {n}).")
    return np.array([checks.signal(row, f"noise[{k}]") for k, row in enumerate(given)])


def _stack(parts: list[Floats]) -> Floats:
    """Blocks of trials one behind the other; they may differ in the rows they have room for."""
    rows = max(part.shape[1] for part in parts)
    out = np.empty((sum(map(len, parts)), rows, parts[0].shape[2]))
    first = 0
    for part in parts:
        out[first : first + len(part), : part.shape[1]] = part
        first += len(part)
    return out


@kernel
def _used_rows(parts, counts):
    """Modes of each trial, and one more where its residue is something."""
    used = counts.copy()
    for trial in range(counts.size):
        for value in parts[trial, counts[trial]]:
            if abs(value) > _NOTHING:
                used[trial] += 1
                break
    return used


@kernel
def _scale_by_first(parts, counts):
    """Each trial's modes and residue, over the standard deviation of the first."""
    for trial in range(counts.size):
        deviation = parts[trial, 0].std()
        for k in range(counts[trial] + 1):
            parts[trial, k] /= deviation


@kernel
def _add_rows(parts, used, total):
    """Sum over trials, row by row."""
    for trial in range(used.size):
        for k in range(used[trial]):
            total[k] += parts[trial, k]


@kernel
def _perturb(signal, modes, counts, k, width, out):
    """signal + width · mode k of each trial's noise; where it has none, the signal."""
    for trial in range(counts.size):
        if k < counts[trial]:
            for i in range(signal.size):
                out[trial, i] = signal[i] + width * modes[trial, k, i]
        else:
            out[trial] = signal


@kernel
def _add_row(parts, counts, row, total):
    """Sum over trials of the first row, or of the last: the residue, or the mode where the residue is nothing."""
    used = _used_rows(parts, counts)
    for trial in range(counts.size):
        if used[trial]:
            total += parts[trial, row % used[trial]]
