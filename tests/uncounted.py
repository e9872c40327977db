"""The environment of commands that tests interrupt: their lines are not counted.

An interrupt that comes while coverage takes down a line leaves its lock taken, and the command waits for it for ever.
"""

from __future__ import annotations

import os


def environment(**more: str) -> dict[str, str]:
    """Ours without what makes coverage start in a child, and with more."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return {**kept, **more}
