"""The demo tells results of the stress test that aren't as promised."""

from __future__ import annotations

from typing import Any

import pytest
from demo import unlike_promised


def results(seconds: float = 41.0, *verdicts: str) -> dict[str, Any]:
    tests = [{"name": "lookup", "scale": 1000, "verdict": verdict, "why": "because"} for verdict in verdicts]
    return {"run": {"seconds": seconds}, "tests": tests}


def test_any_honest_verdict_is_as_promised() -> None:
    assert unlike_promised(results(60.0, "PASS", "FAIL", "INCONCLUSIVE", "NO_DATA")) is None


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (results(60.1, "PASS"), "60 s"),
        (results(0.0, "PASS"), "0 s"),
        (results(41.0), "no test"),
        (results(41.0, "PASS", "INVALID"), "lookup at 1000 is INVALID: because"),
        (results(41.0, ""), "lookup"),
    ],
)
def test_what_is_not_as_promised_is_told(found: dict[str, Any], told: str) -> None:
    assert told in (unlike_promised(found) or "")
