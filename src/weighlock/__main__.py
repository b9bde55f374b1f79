"""Run the command line: ``python -m weighlock``."""

import sys

from weighlock._cli import main

if __name__ == "__main__":
    sys.exit(main())
