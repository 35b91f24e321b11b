"""``deepsound doctor``: what stands in the way of a job, here and on the executors, and what a job will cost."""
