"""The parts of the plain-English report that go through what was found, one thing after another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from stat7.stress.report.blocks import Badge, Block, Bullets, Heading, Line, Paragraph, Span, Strong
from stat7.stress.report.facts import (
    Judged,
    all_tests,
    has,
    judged,
    names,
    of_name,
    of_verdict,
    unsteady,
    verdicts,
)
from stat7.stress.report.numbers import At, Number, count, derive, in_plain_words, plain, whole
from stat7.stress.report.words import SUBJECTS, figure_words

_TOLD: Final = {
    "address": ("single_per_second", "single_p99", "bulk_per_second"),
    "collisions": ("duplicates",),
    "lookup": ("hit_per_second", "hit_p99"),
    "concurrent": ("operations_per_second", "read_p95", "write_p95", "acknowledged_writes_lost"),
    "paced": ("offered_per_second", "p99", "errors"),
    "memory": ("bytes_per_entity", "anonymous_bytes"),
}
_RELATIONS: Final = {"<": "less than", "<=": "at most", ">=": "at least", "==": "exactly"}
_MOST_REASONS: Final = 4
_MOST_FIGURES: Final = 3


def findings(root: At) -> list[Block]:
    """Each subject with its question and what came out at each size; then the experiments."""
    tests = list(root["tests"])
    blocks: list[Block] = []
    if tests:
        blocks.append(Heading(2, ("What came out, one by one",), "findings"))
    for index, name in enumerate(names(tests)):
        subject = SUBJECTS.get(name)
        these = of_name(tests, name)
        title: Line = (subject.heading,) if subject else (these[0]["name"].quoted,)
        question: Line = (subject.question,) if subject else (these[0]["claim"].quoted,)
        blocks += [
            Heading(3, title, f"finding-{index + 1}"),
            Paragraph(question),
            *(block for test in these for block in _told(test)),
        ]
    return [*blocks, *_experiments(root)]


def _told(test: At) -> list[Block]:
    """What one test found: what decided it first."""
    badge = Badge(test["verdict"].value, test["verdict"].pointer)
    where: Line = ("With ", test["scale"].number(style=whole), " things", *_variant(test), ":")
    said = [*_reasons(test), *_figures(test)]
    return [Paragraph((Strong(where), " ", badge)), *([Bullets(said)] if said else [])]


def _variant(test: At) -> Line:
    workers = test.get("parameters", "workers")
    if workers is not None and isinstance(workers.value, int) and test["name"].value == "concurrent":
        return (" and ", workers.number(style=whole), " users at once")
    return (" (", test["variant"].quoted, ")") if test["variant"].value else ()


def _figures(test: At) -> list[Line]:
    """A sentence for each of the figures that tell most; none of what can't be trusted."""
    if test["verdict"].value == "INVALID":
        return []
    if test["name"].value == "scaling":
        return _growth(test)
    keys = _TOLD.get(test["name"].value) or [target["figure"].value for target in test["target"]][:_MOST_FIGURES]
    missed = {each.target["figure"].value for each in judged(test) if each.verdict in ("FAIL", "INCONCLUSIVE")}
    found = [has(test, key) for key in keys if key not in missed]
    return [_sentence(each) for each in found if each is not None]


def _sentence(each: At) -> Line:
    words = figure_words(each.quoted_key)
    first = words[0]
    opened: Line = (first[:1].upper() + first[1:], *words[1:]) if isinstance(first, str) else words
    return (*opened, ": ", *in_plain_words(each), ".")


def _growth(test: At) -> list[Line]:
    each = has(test, "exponent")
    factor = None if each is None else derive("time of tenfold", (each["value"],), style=plain)
    if each is None or factor is None:
        return []
    spread = (
        [derive("time of tenfold", (end,), style=plain) for end in each["interval"]] if each.get("interval") else []
    )
    between: Line = (" (", spread[0], " to ", spread[1], ")") if len(spread) == 2 and spread[0] and spread[1] else ()
    most = [
        derive("time of tenfold", (target["value"],), style=plain)
        for target in test["target"]
        if target["figure"].value == "exponent"
    ]
    asked: Line = ("; at most ", most[0], " times was asked for") if most and most[0] else ()
    return [("Ten times as many things take about ", factor, " times as long", *between, *asked, ".")]


def _reasons(test: At) -> list[Line]:
    """Why it isn't PASS."""
    verdict = test["verdict"].value
    if verdict == "PASS" or (test["name"].value == "scaling" and verdict in ("FAIL", "INCONCLUSIVE")):
        return []
    concerned = [each for each in judged(test) if each.verdict == verdict]
    if verdict == "INVALID" or not concerned:
        if verdict == "NO_DATA" and unsteady(test) and not any(each.verdict == "FAIL" for each in judged(test)):
            return [("The speed never settled while it was measured, so it is not certain enough to be judged by.",)]
        return [("The reason given: “", test["why"].quoted, "”.")]
    lines = [_reason(each) for each in concerned[:_MOST_REASONS]]
    if concerned[_MOST_REASONS:]:
        lines.append(("More of this kind: ", count([each.target for each in concerned[_MOST_REASONS:]]), "."))
    return lines


def _reason(each: Judged) -> Line:
    words = figure_words(each.target["figure"].quoted)
    target = each.target
    asked: Line = (_RELATIONS[target["relation"].value], " ", target["value"].number(str(target["unit"].value), plain))
    if each.verdict == "FAIL" and each.figure is not None:
        return ("Missed: ", *words, ": ", *in_plain_words(each.figure), ", where ", *asked, " was asked for.")
    if each.verdict == "INCONCLUSIVE" and each.figure is not None:
        return (
            "Too close to call: ",
            *words,
            ": ",
            *in_plain_words(each.figure),
            ", where ",
            *asked,
            " was asked for.",
        )
    known = each.test.get("figures", target["figure"].value)
    tries: Line = () if known is None else (" (", known["samples"].number(style=whole), " tries)")
    if known is not None and known.get("value") is not None:
        return (
            "Too short a measurement to judge: ",
            *words,
            ": ",
            *in_plain_words(known),
            ", where ",
            *asked,
            " was asked for.",
        )
    return ("Too few tries to tell: ", *words, *tries, ".")


def _experiments(root: At) -> list[Block]:
    if not root["experiments"].value:
        return []
    blocks: list[Block] = [Heading(2, ("The experiments",), "experiments")]
    for index, each in enumerate(root["experiments"]):
        verdict = each["verdict"].value
        outcome = {
            "PASS": "The claim was borne out.",
            "FAIL": "The claim was not borne out.",
            "INCONCLUSIVE": "It could be either.",
            "NO_DATA": "It could not be tried, or there was too little to go by.",
            "INVALID": "The experiment is not to be trusted.",
        }[verdict]
        reason: Line = () if verdict == "PASS" else (" The reason given: “", each["why"].quoted, "”.")
        blocks += [
            Heading(3, (each["name"].quoted, ": ", each["title"].quoted), f"experiment-{index + 1}"),
            Paragraph(("The claim: “", each["claim"].quoted, "”.")),
            Paragraph((Badge(verdict, each["verdict"].pointer), f" {outcome}", *reason, *_passed(each))),
        ]
    return blocks


def _passed(experiment: At) -> Line:
    tests = list(experiment["tests"])
    if not tests:
        return ()
    return (" Its own checks that were met: ", count(of_verdict(tests, "PASS")), " of ", count(tests), ".")


def gives_way(root: At) -> list[Block]:
    """Breaking points."""
    points = list(root["breaking_points"])
    head = Heading(2, ("Where it gives way",), "limits")
    if not points:
        return [
            head,
            Paragraph(
                ("This run did not push the store until it gave way, so how much more it could take is not known.",)
            ),
        ]
    return [
        head,
        Paragraph(("Here the store was asked for more and more, until it no longer kept up.",)),
        Bullets([_point(point) for point in points]),
    ]


def _point(point: At) -> Line:
    held, failed, gave = point.get("held"), point.get("failed"), point.get("gave_out")
    unit = str(point["unit"].value)
    name = {"rate": "Requests a second", "scale": "Things in the store"}.get(point["name"].value, "")
    head = Strong((f"{name}, with ", point["scale"].number(style=whole), " things:"))
    asked: Line = ("What had to hold: “", point["criterion"].quoted, "”.")
    first: Line = () if gave is None else (" What gave way first: “", gave.quoted, "”.")

    def level(at: At) -> Number:
        return at.number(unit, plain)

    if held is not None and failed is not None:
        said: Line = (" it held at ", level(held), " and no longer at ", level(failed), ". Stay below the first. ")
    elif held is not None:
        said = (" it held at ", level(held), ", the most that was tried. ")
    elif failed is not None:
        said = (" it did not hold even at ", level(failed), ". ")
    else:
        said = (" no limit could be found: “", point["why"].quoted, "”. ")
    return (head, *said, *asked, *first)


def unknown(root: At) -> list[Block]:
    """What the run does not tell, honestly."""
    items: list[Line] = []
    tests, settings = all_tests(root), root["settings"]
    largest = max((test["scale"].value for test in root["tests"]), default=0)
    if root["run"]["interrupted"].value:
        items.append(("Whatever would have come after the run was stopped.",))
    if largest:
        stage = next(test["scale"] for test in root["tests"] if test["scale"].value == largest)
        items.append(
            (
                "How it does with more than ",
                stage.number(style=whole),
                " things.",
            )
        )
    items += _gaps(root, tests)
    cuts = list(settings["cuts"])
    if cuts:
        items.append(
            (
                "Parts that were measured for a shorter time than planned, to be done in time: ",
                count(cuts),
                ". What they found is less certain, and the ranges given with it are wider.",
            )
        )
    items += [("A note from the run: “", note.quoted, "”.") for note in settings["notes"]]
    items.append(("How it does on another computer, on another disk or over another network than in this run.",))
    if not of_name(tests, "memory") and root["tests"].value:
        items.append(("How much memory it takes.",))
    return [Heading(2, ("What this run does not tell",), "unknown"), Bullets(items)]


def _gaps(root: At, tests: Sequence[At]) -> list[Line]:
    open_ones = of_verdict(verdicts(root), "INCONCLUSIVE", "NO_DATA")
    restless = [test["series"] for test in tests if unsteady(test)]
    found: list[tuple[Span, ...]] = []
    if open_ones:
        found.append(("The answer to checks that were too close to call or lacked data: ", count(open_ones), "."))
    if restless:
        found.append(
            (
                "What speed things settle at where they never settled while they were measured. Checks concerned: ",
                count(restless),
                ".",
            )
        )
    if not any(has(test, "acknowledged_writes_lost") for test in tests):
        found.append(
            ("Whether confirmed saves are ever lost when many save at once: it was not looked at, or not to the end.",)
        )
    return list(found)
