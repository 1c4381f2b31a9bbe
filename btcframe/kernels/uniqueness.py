"""How much of what a label looks at is its own: the kernel of sample weights."""

from __future__ import annotations

import numpy as np

from btcframe.kernels import kernel


@kernel
def average_uniqueness(row_ns, t_end, known, out):
    """The mean of 1/c over the time that a label looks at, c the number of labels that look at it, too.

    Time is cut at the rows. A label of row i looks at the stretches (row_j−1, row_j] that (row_i, t_end_i] touches; what
    is behind the last row is one stretch. Two sums from the first row on do: how many labels begin and end,
    and Σ 1/c. Labels that are not known look at nothing.

    Parameters
    ----------
    row_ns : int64[n]     strictly increasing
    t_end : int64[n]      no earlier than its row
    known : bool[n]
    out : float64[n]      filled: above 0, up to 1; NaN where the label is not known

    References
    ----------
    López de Prado, Advances in Financial Machine Learning, 2018, ch. 4.
    """
    n = len(row_ns)
    last = np.empty(n, np.int64)  # the stretch that a label ends in; the stretch j ends with row j
    change = np.zeros(n + 2, np.int64)
    for i in range(n):
        if known[i]:
            last[i] = max(i + 1, np.searchsorted(row_ns, t_end[i]))
            change[i + 1] += 1
            change[last[i] + 1] -= 1
    shares = np.zeros(n + 1)
    at_once = 0
    for j in range(1, n + 1):
        at_once += change[j]
        shares[j] = shares[j - 1] + (1.0 / at_once if at_once > 0 else 0.0)
    for i in range(n):
        out[i] = (shares[last[i]] - shares[i]) / (last[i] - i) if known[i] else np.nan
