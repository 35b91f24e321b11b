"""Score a collection.

spark-submit jobs/score.py --input FEATURES_OR_AUDIO --model MODEL --output SCORES
    [--config FILE] [--set key=value ...]
"""

import sys

from deepsound.commands.score import build_parser, main

__all__ = ["build_parser", "main"]

if __name__ == "__main__":
    sys.exit(main())
