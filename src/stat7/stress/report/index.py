"""The first page: every verdict, links to the rest, and how to repeat the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from stat7.stress.report.blocks import (
    NOTHING,
    Badge,
    Block,
    Bullets,
    Code,
    Document,
    Heading,
    Line,
    Link,
    Listing,
    Paragraph,
    Table,
    joined,
)
from stat7.stress.report.facts import Judged, asked, judged, named, of_verdict, scale, verdicts
from stat7.stress.report.numbers import At, Quoted, count, precise

NAME: Final = "STRESS_TEST_INDEX"
_ORDER: Final = ("FAIL", "NO_DATA", "INCONCLUSIVE", "PASS")


def document(root: At, source: str) -> Document:
    """Verdicts first."""
    run = root["run"]
    blocks: list[Block] = [
        Heading(2, ("Verdicts",), "verdicts"),
        Paragraph(_counts(root)),
        *_tests(root),
        *_experiments(root),
        *_breaking_points(root),
        Heading(2, ("The documents",), "documents"),
        Bullets(
            [
                (Link(("In plain English",), "STRESS_TEST_LAYMANS_EXPLANATION"), ": whether to ship, and on what."),
                (Link(("In pictures",), "STRESS_TEST_VISUAL_SUMMARY"), ": the plots."),
                (Link(("In full",), "STRESS_TEST_ANALYSIS"), ": method, every figure, threats to validity, advice."),
                ("All of it as one page that needs no network: ", Link(("report.html",), "report.html"), "."),
                ("What all of it was made from: ", Link((Quoted(source, "#source"),), f"../{source}"), "."),
            ]
        ),
        Heading(2, ("To repeat this run",), "reproduce"),
        Listing([(run["command"].quoted,)]),
        Table([("what",), ("of this run",)], _origin(root)),
        Paragraph(
            (
                "The same seed makes the same entities. Figures of time differ from run to run and from machine to "
                "machine; verdicts should not, unless a figure lies close to its target.",
            )
        ),
    ]
    return Document(NAME, "Stress test: index", "Index", blocks)


def _counts(root: At) -> Line:
    every = verdicts(root)
    if not every:
        return ("Nothing was measured.", *_stopped(root))
    told = [(verdict, of_verdict(every, verdict)) for verdict in ("PASS", "FAIL", "INCONCLUSIVE", "NO_DATA", "INVALID")]
    parts: list[Line] = [(Badge(verdict), " ", count(found)) for verdict, found in told if found]
    return (*joined(parts, ", "), ".", *_stopped(root))


def _stopped(root: At) -> Line:
    return (
        (" The run was interrupted: what follows is what was done until then.",)
        if root["run"]["interrupted"].value
        else ()
    )


def _tests(root: At) -> list[Block]:
    tests = list(root["tests"])
    if not tests:
        return [Paragraph(("No tests were run.",))]
    head: list[Line] = [("verdict",), ("test",), ("scale",), ("figure that decided",), ("target",), ("why",)]
    rows: list[Sequence[Line]] = []
    for test in tests:
        figure, target = _decisive(test)
        rows.append(
            (
                (Badge(test["verdict"].value, test["verdict"].pointer),),
                named(test),
                (scale(test),),
                figure,
                target,
                (test["why"].quoted,),
            )
        )
    return [Table(head, rows, frozenset({2}))]


def _decisive(test: At) -> tuple[Line, Line]:
    """The figure and the target that the verdict hangs on most: the one that the reason names first, or else the worst
    of them, by headroom.
    """
    every = judged(test)
    if not every or test["verdict"].value == "INVALID":
        return NOTHING, NOTHING

    def rank(each: Judged) -> tuple[int, float]:
        return _ORDER.index(each.verdict), 0.0 if each.headroom is None else each.headroom.value

    blamed = str(test["why"].value).partition(" is ")[0].partition(":")[0]
    named_first = [each for each in every if each.target["figure"].value == blamed]
    worst = min(named_first or every, key=rank)
    wanted = asked(worst.target)
    name: Line = (Code(worst.target["figure"].quoted),)
    if worst.figure is None:
        return name, wanted
    return (*name, " ", worst.figure["value"].number(str(worst.figure["unit"].value), precise)), wanted


def _experiments(root: At) -> list[Block]:
    experiments = list(root["experiments"])
    if not experiments:
        return []
    head: list[Line] = [("verdict",), ("experiment",), ("about",), ("why",)]
    rows = [
        (
            (Badge(each["verdict"].value, each["verdict"].pointer),),
            (each["name"].quoted,),
            (each["title"].quoted,),
            (each["why"].quoted,),
        )
        for each in experiments
    ]
    return [Heading(3, ("Experiments",), "experiments"), Table(head, rows)]


def _breaking_points(root: At) -> list[Block]:
    points = list(root["breaking_points"])
    if not points:
        return []
    head: list[Line] = [("raised",), ("scale",), ("held at",), ("failed at",), ("gave out first",)]
    rows: list[Sequence[Line]] = []
    for point in points:
        unit = str(point["unit"].value)
        edges = [point.get(name) for name in ("held", "failed")]
        gave = point.get("gave_out")
        rows.append(
            (
                (point["name"].quoted,),
                (scale(point),),
                *(NOTHING if edge is None else (edge.number(unit),) for edge in edges),
                NOTHING if gave is None else (gave.quoted,),
            )
        )
    return [Heading(3, ("Breaking points",), "breaking-points"), Table(head, rows, frozenset({1, 2, 3}))]


def _origin(root: At) -> list[Sequence[Line]]:
    run, environment = root["run"], root["environment"]
    commit, finished = environment.get("git_commit"), run.get("finished_at")
    rows: list[Sequence[Line]] = [
        (("command",), (Code(run["command"].quoted),)),
        (("kind of run",), (run["mode"].quoted,)),
        (("seed",), (run["seed"].number(),)),
        (("commit",), ("not known",) if commit is None else (Code(commit.quoted), *_dirty(commit))),
        (("store",), (root["settings"]["store"].quoted,)),
        (("targets by profile",), (root["settings"]["profile"].quoted,)),
        (("run",), (Code(run["id"].quoted),)),
        (("started",), (run["started_at"].quoted,)),
        (("finished",), ("not known",) if finished is None else (finished.quoted,)),
        (("taken",), (run["seconds"].number("s"),)),
    ]
    return rows


def _dirty(commit: At) -> Line:
    return (" (with changes that were not committed)",) if str(commit.value).endswith("+") else ()
