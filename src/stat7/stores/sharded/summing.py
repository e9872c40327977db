"""What several shards say of themselves as what one store says: capabilities, plans, checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from stat7.contracts import Check
from stat7.stores.base import Capabilities, Plan

_PAGE: Final = 100
_WORSE: Final = ("ok", "warn", "fail")


def weakest(known: Sequence[Capabilities]) -> Capabilities:
    """What can be relied on wherever a call ends up."""
    names = dict.fromkeys(each.name for each in known)
    return Capabilities(
        name=f"shards of {', '.join(names)}",
        max_batch=min(each.max_batch for each in known),
        consistent_find=all(each.consistent_find for each in known),
        durable=all(each.durable for each in known),
        ordered_scan=all(each.ordered_scan for each in known),
        shared=all(each.shared for each in known),
        refuses_scans=any(each.refuses_scans for each in known),
        indexed=frozenset.intersection(*(each.indexed for each in known)),
    )


def add_up_plans(plans: Sequence[Plan]) -> Plan:
    """The plan of a find that asks the first shard, and all the others at once if that doesn't fill a page."""
    asked = plans[:1] if plans[0].matches >= _PAGE else plans
    ways: dict[str, list[int]] = {}
    for number, plan in enumerate(plans):
        ways.setdefault(plan.method, []).append(number)
    said = (f"{_shards(numbers)} by {method}, {plans[numbers[0]].detail}" for method, numbers in ways.items())
    return Plan(
        method="+".join(ways),
        indexed=all(plan.indexed for plan in plans),
        rows=sum(plan.rows for plan in asked),
        matches=sum(plan.matches for plan in plans),
        detail=f"asks {len(asked)} of {len(plans)} shards for the first page: {'; '.join(said)}",
    )


def condensed(name: str, where: str, checks: Sequence[Check]) -> Check:
    """The checks of a shard as one line: what isn't well or, if all is, the first of them."""
    status = max((check.status for check in checks), key=_WORSE.index, default="ok")
    told = [check for check in checks if check.status != "ok"] or checks[:1]
    return Check(name, status, f"{where}: {'; '.join(f'{check.name}: {check.text}' for check in told)}")


def _shards(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return f"shard {numbers[0]}"
    if len(numbers) > 3 and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"shards {numbers[0]} to {numbers[-1]}"
    return f"shards {', '.join(map(str, numbers))}"
