"""Train a model.

spark-submit jobs/train.py --features FEATURES [--config FILE] [--set key=value ...]
"""

import sys

from deepsound.commands.train import build_parser, main

__all__ = ["build_parser", "main"]

if __name__ == "__main__":
    sys.exit(main())
