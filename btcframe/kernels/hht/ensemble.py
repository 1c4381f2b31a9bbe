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
from btcframe.kernels.hht.modes import Decomposition, decompose_rows, take_modes
from btcframe.kernels.hht.noise import white_noise
from btcframe.kernels.hht.parallel import share_out

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

_BLOCK = 5  # trials a thread takes at a time
_LITTLE = 1e-8  # a residue no larger than that anywhere is none (numpy.allclose, which PyEMD asks)
_MODES, _RESIDUE, _NOTHING = 0, 1, 2  # what comes next of a noise
_LEAST_RANGE, _LEAST_POWER, _MOST_STAGES = 0.01, 0.05, 101  # PyEMD's range_thr, total_power_thr and max_imf


@dataclass(frozen=True)
class NoiseBank:
    """Noise, decomposed once: CEEMDAN's noise does not depend on the signal, so one bank serves many.

    Parameters
    ----------
    rows : ndarray      float64 (rows, trials, n): modes, the residue behind them where it is something, then zeros;
                        all of a trial over the standard deviation of its first
    """

    rows: Floats

    def row(self, k: int, first: int, last: int) -> Floats:
        """The k-th rows of trials first … last − 1."""
        if k < len(self.rows):
            return self.rows[k, first:last]
        return np.zeros((last - first, self.rows.shape[2]))


@dataclass(frozen=True)
class _Noise:
    """Noise that is decomposed as far as a signal asks for it, so nothing is kept but what is left of it.

    Parameters
    ----------
    left : ndarray          float64 (trials, n), what is left of each trial
    stage : ndarray         int64 (trials,), _MODES, _RESIDUE or _NOTHING comes next
    deviation : ndarray     float64 (trials,), of the first mode
    """

    left: Floats
    stage: Counts
    deviation: Floats
    rule: int
    sifts: int

    def row(self, k: int, first: int, last: int) -> Floats:
        """The k-th rows of trials first … last − 1, as in a bank; to be asked for in their order."""
        out = np.empty((last - first, self.left.shape[1]))
        part = slice(first, last)
        _next_rows(
            *take_modes(self.left[part], self.rule, self.sifts),
            self.left[part], self.stage[part], self.deviation[part], k == 0, out,
        )  # fmt: skip
        return out


def _noise(n: int, trials: int, seed: int, noise: npt.ArrayLike | None, stop: str, sifts: int) -> _Noise:
    given = _realisations(noise, n)
    checks.whole("n", n, 3, 2**31)
    if given is None:
        checks.whole("trials", trials, 1)
    left = white_noise(trials, n, seed=checks.whole("seed", seed, 0, 2**64 - 1)) if given is None else given
    stage = np.full(len(left), _MODES)
    return _Noise(left, stage, np.ones(len(left)), checks.rule(stop, sifts), sifts)


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
    source = _noise(n, trials, seed, noise, stop, sifts)
    trials, threads = len(source.left), checks.threads(threads)
    found: list[Floats] = []
    while (source.stage != _NOTHING).any():
        row = np.empty((trials, n))

        def block(number: int, row: Floats = row) -> None:
            first, last = _trials_of(number, trials)
            row[first:last] = source.row(len(found), first, last)

        share_out(block, -(-trials // _BLOCK), threads)
        found.append(row)
    return NoiseBank(np.array(found))


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
    trials = checks.whole("trials", trials, 1) if given is None else len(given)
    seed = checks.whole("seed", seed, 0, 2**64 - 1)
    rule = checks.rule(stop, sifts)
    if max_imfs is not None:
        checks.whole("max_imfs", max_imfs, 1)
    width = checks.width(noise_width) * float(values.max() - values.min())
    sums: list[tuple[Floats, Counts]] = [(np.empty((0, n)), np.empty(0, np.int64))] * -(-trials // _BLOCK)

    def block(number: int) -> None:
        first, last = _trials_of(number, trials)
        signals = (
            white_noise(last - first, n, seed=seed, first=first)
            if given is None
            else given[first:last].copy()
        )
        signals *= width
        signals += values
        modes, counts = decompose_rows(signals, max_imfs, 4 + n.bit_length(), rule, sifts)
        used = _used_rows(modes, counts)
        total = np.zeros((int(used.max()), n))
        _add_rows(modes, used, total)
        sums[number] = total, np.array([(used > k).sum() for k in range(len(total))], np.int64)

    share_out(block, len(sums), checks.threads(threads))
    longest = max(len(total) for total, _ in sums)
    mean, having = np.zeros((longest, n)), np.zeros(longest, np.int64)
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
    noise_width = checks.width(noise_width)
    rule = checks.rule(stop, sifts)
    if max_imfs is not None:
        checks.whole("max_imfs", max_imfs, 1)
    scale = float(values.std())
    if n < 3 or scale == 0.0:
        return Decomposition(np.empty((0, n)), values.copy())
    if isinstance(noise, NoiseBank):
        trials, length = noise.rows.shape[1:]
        if length != n:
            raise ValueError(f"the noise bank is for {length} samples, x has {n}: noise_bank({n}).")
        source: NoiseBank | _Noise = noise
    else:
        source = _noise(n, trials, seed, noise, stop, sifts)
        trials = len(source.left)
    signal = values / scale
    stage = _Stages(source, trials, rule, sifts, checks.threads(threads))
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

    noise: NoiseBank | _Noise
    trials: int
    rule: int
    sifts: int
    threads: int

    def mean_row(self, signal: Floats, k: int, width: float, row: int) -> Floats:
        """Mean over trials of a row, 0 or −1, of emd(signal + width · noise's k-th), one mode and the residue."""
        sums = np.zeros((-(-self.trials // _BLOCK), signal.size))

        def block(number: int) -> None:
            signals = signal + width * self.noise.row(k, *_trials_of(number, self.trials))
            parts, counts = decompose_rows(signals, 1, 1, self.rule, self.sifts)
            _add_row(parts, counts, row, sums[number])

        share_out(block, len(sums), self.threads)
        mean: Floats = sums.sum(0) / self.trials
        return mean


def _trials_of(block: int, trials: int) -> tuple[int, int]:
    """First trial of a block, and the one behind its last."""
    return block * _BLOCK, min(trials, (block + 1) * _BLOCK)


def _ended(left: Floats, rule: int, sifts: int) -> bool:
    """PyEMD's CEEMDAN.end_condition."""
    parts, counts = decompose_rows(left[None], 1, 1, rule, sifts)
    return bool(
        _used_rows(parts, counts)[0] == 1 or np.ptp(left) < _LEAST_RANGE or np.abs(left).sum() < _LEAST_POWER
    )


def _realisations(noise: npt.ArrayLike | None, n: int) -> Floats | None:
    if noise is None:
        return None
    if isinstance(noise, NoiseBank):
        raise ValueError(
            "noise is a noise bank, which ceemdan alone takes; eemd takes realisations (trials, n)."
        )
    given = np.asarray(noise)
    if given.ndim != 2 or given.shape[1] != n or not len(given):
        raise ValueError(f"noise has the shape {given.shape}; one realisation a row is (trials, {n}).")
    return np.array([checks.signal(row, f"noise[{k}]") for k, row in enumerate(given)])


@kernel
def _used_rows(parts, counts):
    """Modes of each trial, and one more where its residue is something."""
    used = counts.copy()
    for trial in range(counts.size):
        for value in parts[trial, counts[trial]]:
            if abs(value) > _LITTLE:
                used[trial] += 1
                break
    return used


@kernel
def _next_rows(parts, counts, ended, left, stage, deviation, are_first, out):
    """The next row of each trial, as `decompose` finds them: a mode, the residue where it is something, then zeros."""
    for trial in range(stage.size):
        line = out[trial]
        if stage[trial] == _MODES and counts[trial]:
            line[:] = parts[trial, 0]
            left[trial] = parts[trial, 1]
            stage[trial] = _RESIDUE if ended[trial] else _MODES
        elif stage[trial] != _NOTHING:
            # a mode that was given back is in the residue, rounded; else parts holds `left` itself
            line[:] = parts[trial, 0] if stage[trial] == _MODES else left[trial]
            stage[trial] = _NOTHING
        else:
            line[:] = 0.0
            continue
        if are_first:
            deviation[trial] = line.std()
        line /= deviation[trial]
        if stage[trial] == _NOTHING and not np.abs(line).max() > _LITTLE:
            line[:] = 0.0


@kernel
def _add_rows(parts, used, total):
    """Sum over trials, row by row."""
    for trial in range(used.size):
        for k in range(used[trial]):
            total[k] += parts[trial, k]


@kernel
def _add_row(parts, counts, row, total):
    """Sum over trials of the first row, or of the last: the residue, or the mode where the residue is nothing."""
    used = _used_rows(parts, counts)
    for trial in range(counts.size):
        if used[trial]:
            total += parts[trial, row % used[trial]]
