"""Numbers that tell the truth about a model: metrics, intervals, calibration, out-of-distribution, leakage."""
