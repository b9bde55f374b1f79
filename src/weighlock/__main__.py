"""Run the command line: ``python -m weighlock``.

In a folder that is not trusted call ``weighlock``, or ``python -P -m weighlock``: without ``-P`` Python looks for
modules in the current folder first, and runs an ``importlib.py`` that lies there before it comes to this file.
"""

import sys

from weighlock._cli import main

if __name__ == "__main__":
    sys.exit(main())
