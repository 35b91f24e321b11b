"""What counts as more than chance, of one test and of many at once.

Source: S. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Stat. 6 (1979) 65-70.
"""

from collections.abc import Sequence

import numpy as np

# P-values below it are.
SIGNIFICANT = 0.05


def adjust_by_holm(p_values: Sequence[float]) -> list[float]:
    """P-values that hold for all hypotheses together, in the order of those given.

    The smallest of m is multiplied by m, the next by m - 1, and so on; none becomes smaller than one before it, or
    larger than 1.
    """
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return [float(value) for value in adjusted]
