"""Run the command line: ``python -m weighlock``."""

import sys

if __name__ == "__main__":
    # `python -m` puts the current folder first, and it may be the very folder that is not trusted: a `json.py`
    # in it would run instead of being judged. Nothing has been imported from there yet but this package itself.
    if not sys.flags.safe_path:
        del sys.path[0]

    from weighlock._cli import main

    sys.exit(main())
