"""``deepsound doctor``: what stands in the way of a job on this machine and its executors, and what a job will cost."""
