"""Numbers in words."""

import numpy as np


def say_number(value: float) -> str:
    """Four digits, and never an exponent: 22050 and 0.0123, not 2.205e+04."""
    return np.format_float_positional(float(f"{value:.4g}"), trim="-")
