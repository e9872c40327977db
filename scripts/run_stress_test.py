"""The stress test by its old name: `python scripts/run_stress_test.py --quick` is `stat7 stress --quick`."""

from __future__ import annotations

import sys


def run() -> None:
    """Hand the arguments to `stat7 stress`."""
    from stat7.cli import main

    main(["stress", *sys.argv[1:]])


if __name__ == "__main__":
    run()
