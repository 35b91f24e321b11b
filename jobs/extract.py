"""Extract features.

spark-submit jobs/extract.py --input PATH --output FEATURES [--config FILE] [--set key=value ...]
"""

import sys

from deepsound.commands.extract import build_parser, main

__all__ = ["build_parser", "main"]

if __name__ == "__main__":
    sys.exit(main())
