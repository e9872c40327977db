"""What several parts of a report ask of the results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import eq, ge, le, lt
from typing import Any, Final

from stat7.stress.report.blocks import Line, Span
from stat7.stress.report.numbers import At, Number, derive, short, times

WORST_FIRST: Final = ("INVALID", "FAIL", "NO_DATA", "INCONCLUSIVE", "PASS")
_HOLDS: Final[Mapping[str, Any]] = {"<": lt, "<=": le, ">=": ge, "==": eq}
CORRECTNESS: Final = ("collisions",)
"""Tests whose failure is one of correctness, whatever the target."""

MEASUREMENT: Final = ("generator saturated", "timer floor")
"""How the reason of an INVALID begins where the measurement, not what was measured, is at fault."""

BROKEN_OFF: Final = ("the measurement broke off", "the experiment broke off", "building the store failed")
"""How it begins where nothing was measured, because something kept it from that."""


def worst(verdicts: Sequence[str]) -> str:
    """The worst of some verdicts; NO_DATA of none."""
    return next((each for each in WORST_FIRST if each in verdicts), "NO_DATA")


SIGNS: Final = {"<": "<", "<=": "≤", ">=": "≥", "==": "="}


def asked(target: At) -> Line:
    """What a target asks for: `≥ 1,000/s`."""
    return (SIGNS[target["relation"].value], "\u00a0", target["value"].number(str(target["unit"].value)))


def named(test: At) -> Line:
    """The name of a test, its variant included."""
    variant: Line = (" ", test["variant"].quoted) if test["variant"].value else ()
    return (test["name"].quoted, *variant)


def scale(test: At) -> Number:
    """The scale of a test in few letters."""
    return test["scale"].number(style=short)


def of_name(tests: Sequence[At], name: str) -> list[At]:
    """The tests of a name, by scale."""
    return sorted((test for test in tests if test["name"].value == name), key=lambda test: test["scale"].value)


def of_verdict(things: Sequence[At], *verdicts: str) -> list[At]:
    """Those of the verdicts named."""
    return [thing for thing in things if thing["verdict"].value in verdicts]


def names(tests: Sequence[At]) -> list[str]:
    """The names of tests, each once, in order."""
    return list(dict.fromkeys(test["name"].value for test in tests))


def scales(tests: Sequence[At]) -> list[At]:
    """Each scale once, the smallest first, where it is first found."""
    found: dict[int, At] = {}
    for test in tests:
        found.setdefault(test["scale"].value, test["scale"])
    return [found[each] for each in sorted(found)]


def has(test: At, name: str) -> At | None:
    """A figure of a test that has a value; None if it has none, or if what was measured can't be trusted."""
    return None if test.get("figures", name, "value") is None else test["figures"][name]


@dataclass(frozen=True, slots=True)
class Judged:
    """A figure of a test beside its target, and how its interval stands to that."""

    test: At
    target: At
    figure: At | None
    verdict: str

    @property
    def headroom(self) -> Number | None:
        """How many times better than its target the figure is; under 1 it is worse. None where there is no ratio."""
        if self.figure is None or self.target["relation"].value == "==":
            return None
        how = "headroom of at least" if self.target["relation"].value == ">=" else "headroom of less than"
        return derive(how, (self.figure["value"], self.target["value"]), style=times)


def judged(test: At) -> list[Judged]:
    """Each target of a test with its figure."""
    found = []
    for target in test["target"]:
        figure = has(test, target["figure"].value)
        found.append(Judged(test, target, figure, stands(figure, target["relation"].value, target["value"].value)))
    return found


def stands(figure: At | None, relation: str, bound: float) -> str:
    """PASS or FAIL if value and interval lie on one side of a bound, INCONCLUSIVE if not, NO_DATA without any."""
    if figure is None or figure.get("value") is None or figure.get("interval") is None:
        return "NO_DATA"
    ends = {bool(_HOLDS[relation](each, bound)) for each in (figure["value"].value, *figure["interval"].value)}
    return "INCONCLUSIVE" if len(ends) > 1 else "PASS" if ends == {True} else "FAIL"


def is_void(thing: At) -> bool:
    """Whether an INVALID says that the measuring was at fault: at its limit, or broken off."""
    return bool(thing["verdict"].value == "INVALID") and str(thing["why"].value).startswith((*MEASUREMENT, *BROKEN_OFF))


def is_wrong(test: At) -> bool:
    """Whether a test found what must never be: wrong or lost data, or a FAIL where none of something was allowed."""
    if test["verdict"].value == "INVALID":
        return not is_void(test)
    if test["verdict"].value != "FAIL":
        return False
    missed = [each for each in judged(test) if each.verdict == "FAIL"]
    return test["name"].value in CORRECTNESS or any(each.target["relation"].value == "==" for each in missed)


def all_tests(root: At) -> list[At]:
    """The tests of the run and those of its experiments."""
    return [*root["tests"], *(test for experiment in root["experiments"] for test in experiment["tests"])]


def verdicts(root: At) -> list[At]:
    """Everything that has a verdict of the run: tests and experiments."""
    return [*root["tests"], *root["experiments"]]


def flat(at: At, path: tuple[Span, ...] = (), depth: int = 3) -> Iterator[tuple[Line, At]]:
    """The values inside of an object, each with the names that lead there."""
    for name, inside in at.items():
        here = (*path, *((" › ",) if path else ()), name)
        if isinstance(inside.value, Mapping) and depth > 1:
            yield from flat(inside, here, depth - 1)
        else:
            yield here, inside


def busy(root: At) -> bool:
    """Whether, before the run, other work wanted more than half of the cores."""
    load, cores = root.get("environment", "load_average", 0), root.get("environment", "cores", "usable")
    return load is not None and cores is not None and load.value > cores.value / 2


def unsteady(test: At) -> bool:
    """Whether some measurement of a test never settled."""
    return any(series["steady"].value is False for _, series in test["series"].items())
