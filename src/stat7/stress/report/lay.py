"""The report in plain English, for somebody who decides and does not program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from stat7.stress.report.advice import advise, machines
from stat7.stress.report.blocks import (
    Badge,
    Block,
    Bullets,
    Document,
    Heading,
    Line,
    Link,
    Paragraph,
    Strong,
    Table,
)
from stat7.stress.report.decision import answer, store_name
from stat7.stress.report.facts import busy, names, of_name, of_verdict, scales, verdicts
from stat7.stress.report.lay_details import findings, gives_way, unknown
from stat7.stress.report.lay_uses import game, photos
from stat7.stress.report.numbers import At, count, plain, whole
from stat7.stress.report.words import ANSWERS, MEANINGS, OTHER, SUBJECTS, Subject, store_of

NAME: Final = "STRESS_TEST_LAYMANS_EXPLANATION"
_MODES: Final = {
    "quick": "It was the short kind of trial, which takes about a minute and stays with small collections.",
    "full": "It was the long kind of trial, which takes several minutes and goes up to very large collections.",
    "scales": "The sizes of the collections were chosen by hand.",
}


def document(root: At) -> Document:
    """The whole of it."""
    blocks: list[Block] = [
        Heading(2, ("The short answer",), "answer"),
        answer(root),
        *_caution(root),
        *_stores(root),
        *_tried(root),
        *_overview(root),
        *findings(root),
        *photos(root),
        *game(root),
        *gives_way(root),
        *unknown(root),
        *_next(root),
        *_words(),
    ]
    return Document(NAME, "The stress test in plain English", "In plain English", blocks)


def _caution(root: At) -> list[Block]:
    if not busy(root):
        return []
    load, cores = root["environment"]["load_average"][0], root["environment"]["cores"]["usable"]
    return [
        Paragraph(
            (
                Strong(("A caution: the computer was busy with other work when the run began.",)),
                " On average ",
                load.number(style=plain),
                " jobs competed for its ",
                cores.number(style=whole),
                " processor cores. On a quiet computer the same store may do much better. Before you turn "
                "something down for "
                "being slow, measure again.",
            )
        )
    ]


def _stores(root: At) -> list[Block]:
    """Which store for how many things."""
    advice = advise(root)
    if not root["tests"].value:
        return []
    rows: list[Sequence[Line]] = []
    for each in advice:
        rate: Line = ("nothing",) if each.rate is None else (each.rate["value"].number("1/s", plain), *_at(each.test))
        rows.append(
            (
                (each.band.name,),
                (Badge(each.verdict),),
                (each.band.stores,),
                (each.band.rate_words, " a second"),
                rate,
                each.reason,
            )
        )
    head: list[Line] = [
        ("How many things",),
        ("Answer",),
        ("Store meant for that",),
        ("Reads and saves it should manage",),
        ("Measured here",),
        ("Why",),
    ]
    return [
        Heading(2, ("Which store for how many",), "stores"),
        Paragraph(
            (
                "A small collection needs only a small store, a large one a larger. This table says which store "
                "is meant for "
                "which size, how many reads and safe saves a second it should manage, and what this run saw. It "
                "measured ",
                *store_name(root),
                *_explained(root),
                "; about the other stores it can say nothing.",
            )
        ),
        Table(head, rows),
        *_projection(root),
    ]


def _explained(root: At) -> Line:
    store = store_of(root)
    return () if store is OTHER else (f" ({store.words})",)


def _at(test: At | None) -> Line:
    return () if test is None else (", with ", test["scale"].number(style=whole), " things")


def _projection(root: At) -> list[Block]:
    """What the largest band would take, counted from what was measured."""
    last = advise(root)[-1]
    if last.rate is None or last.test is None:
        return []
    needed = machines(last.rate)
    if needed is None:
        return []
    low: Line = () if needed[1] is None else (", or ", needed[1], " to be careful")
    return [
        Paragraph(
            (
                "For the last line of the table there is only a sum on paper. This computer did ",
                last.rate["value"].number("1/s", plain),
                *_at(last.test),
                ". If several such computers shared the work, and lost nothing by it, the ",
                last.band.rate_words,
                " a second would take ",
                needed[0],
                " of them",
                *low,
                ". That supposes that the work can be shared out evenly, that no computer has to wait for "
                "another, that the "
                "network costs nothing, and that no copies are kept. None of this is quite true, so it will take more.",
            )
        )
    ]


def _tried(root: At) -> list[Block]:
    run, environment = root["run"], root["environment"]
    tests = list(root["tests"])
    largest: Line = (
        ()
        if not tests
        else (
            " Made-up things, such as the records of photos or of objects in a game, were put into ",
            *store_name(root),
            *_explained(root),
            ": at most ",
            scales(tests)[-1].number(style=whole),
            " of them.",
        )
    )
    memory = environment.get("memory_bytes")
    again: Line = (
        (" It was stopped and taken up again (times: ", run["resumed"].number(style=whole), ").")
        if run["resumed"].value
        else ()
    )
    return [
        Heading(2, ("What was tried",), "tried"),
        Paragraph(
            (
                "The run took ",
                run["seconds"].number("s", plain),
                " on a computer with ",
                environment["cores"]["usable"].number(style=whole),
                " processor cores",
                *(() if memory is None else (" and ", memory.number("B", plain), " of memory")),
                ".",
                *largest,
                " ",
                _mode(root),
                *again,
                *((" It was stopped by hand before it was done.",) if run["interrupted"].value else ()),
            )
        ),
    ]


def _mode(root: At) -> str:
    if root["experiments"].value and not root["tests"].value:
        return "It was made of experiments alone, which each look at one question."
    return _MODES.get(str(root["run"]["mode"].value), "")


def _overview(root: At) -> list[Block]:
    """One line for each subject, one column for each size."""
    tests, experiments = list(root["tests"]), list(root["experiments"])
    blocks: list[Block] = [Heading(2, ("What came out, at a glance",), "glance")]
    every = verdicts(root)
    if not every:
        return [*blocks, Paragraph(("Nothing was measured.",))]
    told = [(ANSWERS[verdict], of_verdict(every, verdict)) for verdict in ANSWERS]
    counts = [part for word, found in told if found for part in (", ", word, ": ", count(found))][1:]
    blocks.append(Paragraph(("Checks in all: ", count(every), ". Of these, ", *counts, ".")))
    if tests:
        stages = scales(tests)
        rows: list[Sequence[Line]] = []
        for name in names(tests):
            for variant in dict.fromkeys(test["variant"].value for test in of_name(tests, name)):
                these = [test for test in of_name(tests, name) if test["variant"].value == variant]
                rows.append((_titled(these[0]), *(_cell(these, stage.value) for stage in stages)))
        head: list[Line] = [("Things in the store",), *((stage.number(style=whole),) for stage in stages)]
        blocks.append(Table(head, rows))
    if experiments:
        table = [
            ((each["name"].quoted,), (each["title"].quoted,), (Badge(each["verdict"].value, each["verdict"].pointer),))
            for each in experiments
        ]
        blocks.append(Table([("Experiment",), ("About",), ("Answer",)], table))
    return blocks


def _titled(test: At) -> Line:
    subject = SUBJECTS.get(test["name"].value, Subject("", ""))
    title: Line = (subject.heading,) if subject.heading else (test["name"].quoted,)
    return (*title, *((", ", test["variant"].quoted) if test["variant"].value else ()))


def _cell(tests: Sequence[At], size: int) -> Line:
    found = [test for test in tests if test["scale"].value == size]
    return (Badge(found[0]["verdict"].value, found[0]["verdict"].pointer),) if found else ("not tried",)


def _next(root: At) -> list[Block]:
    """What to do, by what came out."""
    every = verdicts(root)
    items: list[Line] = []
    if of_verdict(every, "INVALID"):
        items.append(
            (
                Strong(("First, what is not to be trusted.",)),
                " Find out why, mend it, and run again. Nothing else is worth doing before.",
            )
        )
    if busy(root):
        items.append(("Run it again while the computer does nothing else.",))
    if of_verdict(every, "FAIL"):
        items.append(
            (
                "Where something was missed, decide whether what was asked for is what you need. If it is, try "
                "another store or a faster computer or disk, and run the same trial there.",
            )
        )
    if of_verdict(every, "INCONCLUSIVE", "NO_DATA"):
        items.append(
            (
                "Where it was too close to call, or there was too little to go by, run the long kind of trial, "
                "which measures for longer.",
            )
        )
    if root["run"]["interrupted"].value:
        items.append(("Let the run go on to its end.",))
    if str(root["run"]["mode"].value) != "full":
        items.append(
            (
                "Before you ship for more things than were tried here, run the long kind of trial on the store that "
                "you will use, on the computer that you will use.",
            )
        )
    items.append(
        (
            "How to repeat this run stands in ",
            Link(("the index",), "STRESS_TEST_INDEX"),
            "; every figure with its method in ",
            Link(("the analysis",), "STRESS_TEST_ANALYSIS"),
            ".",
        )
    )
    return [Heading(2, ("What to do next",), "next"), Bullets(items)]


def _words() -> list[Block]:
    items: list[Line] = [(Badge(verdict), f", {ANSWERS[verdict]}: {MEANINGS[verdict]}") for verdict in ANSWERS]
    items.append(
        (
            Strong(("A range in brackets",)),
            " behind a figure: repeated under the same conditions, the figure would "
            "lie within it about nineteen times in twenty.",
        )
    )
    items.append(
        (
            Strong(("A thing",)),
            " is whatever you store: the record of a photo, a player, a place in a game.",
        )
    )
    items.append(
        (
            Strong(("A safe save",)),
            " is one that survives a power cut once it has been confirmed.",
        )
    )
    return [Heading(2, ("The words used here",), "words"), Bullets(items)]
