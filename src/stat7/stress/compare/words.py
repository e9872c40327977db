"""A comparison for people: one sentence, what it rests on, and a row for each figure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from stat7.stress.compare.spread import ASSUMED, Unrest
from stat7.stress.runner import short

if TYPE_CHECKING:
    from stat7.stress.compare import Comparison, Difference

COLUMNS: Final = ("test", "scale", "figure", "A", "B", "B/A", "as measured", "shows from", "finding")
COLOURS: Final = {"slower": "red", "larger": "red", "faster": "green", "smaller": "green"}
"""Of findings in a table."""

_NAMED: Final = 3


def conclusion(comparison: Comparison) -> str:
    """`B is slower in 3 of 41 figures: ...`, or `no difference shown`, and from which change on one would have been."""
    total, found = len(comparison.differences), comparison.found
    reach = change(comparison.shows_from)
    reach += "" if reach.startswith("more") else " or more"
    if not found:
        would = f"a change of {reach} would probably have been, in the median figure"
        return f"no difference shown in {total} figures; {would}"
    parts = []
    for finding, count in Counter(each.finding for each in found).most_common():
        first = [each for each in found if each.finding == finding]
        named = ", ".join(_named(each) for each in first[:_NAMED])
        more = f", and {count - _NAMED} more" if count > _NAMED else ""
        parts.append(f"{finding} in {count} of {total} figures: {named}{more}")
    return f"B is {'; '.join(parts)}; shown is, in the median figure, a change of {reach}"


def basis(comparison: Comparison) -> list[str]:
    """What the findings rest on: error rate, spread between runs, the machine's speed, and how to see more."""
    total, confidence = len(comparison.differences), comparison.confidence
    runs = f"{len(comparison.before.runs)} and {len(comparison.after.runs)} runs"
    needed = comparison.runs_needed
    wanted = "more runs than can be asked for" if needed is None else f"{needed} run{'s' if needed > 1 else ''}"
    lines = [
        f"{1 - confidence:.0%} chance of accusing any of {total} figures wrongly; each interval holds at "
        f"{1 - (1 - confidence) / total:.3%}, all of them at {confidence:.0%}",
        f"{runs}; the reference loop differed by {comparison.unrest:.0%} within and between them, by which the spread "
        "that is assumed for a run is widened",
        f"assumed between runs: {_assumed(comparison)}",
        f"a change of {comparison.wanted:.0%} in the median figure takes {wanted} on each side to be shown, on a "
        "machine as restless as this",
    ]
    before, after = comparison.before.reference, comparison.after.reference
    if before is not None and after is not None:
        lines.append(f"the machine's own speed in B was {after / before:.2f} of that in A: rates, means and tails are "
                     "compared with that taken out, medians and bytes as measured")  # fmt: skip
    return lines


def rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """A row of COLUMNS for each figure."""
    return [
        (
            " ".join(part for part in (each.place, each.test, each.variant) if part),
            short(each.scale),
            each.figure,
            value(each.before, each.unit),
            value(each.after, each.unit),
            f"{each.ratio:.3g} [{each.interval[0]:.3g}, {each.interval[1]:.3g}]",
            f"{each.raw_ratio:.3g}",
            change(each.shows_from),
            each.finding,
        )
        for each in comparison.differences
    ]


def change(share: float) -> str:
    """A change as a percentage, as a factor where it more than doubles, and no number that means nothing any more."""
    if share >= 99:
        return "more than a factor of 100"
    return f"{share:.0%}".replace("%", " %") if share < 1 else f"a factor of {1 + share:.2g}"


def value(number: float, unit: str) -> str:
    """A figure with three digits and its unit."""
    shown = f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"
    return shown + {"1/s": "/s", "1": ""}.get(unit, f" {unit}")


def _assumed(comparison: Comparison) -> str:
    """The spreads that were assumed, of the kinds that were compared."""
    kinds = dict.fromkeys(each.kind for each in comparison.differences)
    known = Unrest(comparison.unrest, 1.0)
    return ", ".join(f"{kind} {ASSUMED[kind].variance(known)[0] ** 0.5:.0%}" for kind in kinds)


def _named(difference: Difference) -> str:
    tested = " ".join(part for part in (difference.place, difference.test, difference.variant) if part)
    low, high = difference.interval
    return f"{tested} {short(difference.scale)} {difference.figure} x{difference.ratio:.3g} [{low:.3g}, {high:.3g}]"
