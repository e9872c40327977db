"""The report in full: method, environment, every test and experiment, breaking points, threats to validity, advice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from stat7.stress.report.advice import Advice, advise, machines
from stat7.stress.report.analysis_parts import experiment_blocks, figures_table, point_blocks, test_blocks
from stat7.stress.report.blocks import (
    NOTHING,
    Badge,
    Block,
    Bullets,
    Code,
    Document,
    Heading,
    Line,
    Paragraph,
    Strong,
    Table,
    joined,
)
from stat7.stress.report.facts import all_tests, busy, flat, of_verdict, unsteady, verdicts
from stat7.stress.report.numbers import At, count, range_of, short

NAME: Final = "STRESS_TEST_ANALYSIS"
_MOST_ELEMENTS: Final = 12


def document(root: At) -> Document:
    """The whole of it."""
    blocks: list[Block] = [
        *_method(),
        *_environment(root),
        *_settings(root),
        *_tests(root),
        *_experiments(root),
        *_points(root),
        *_self_check(root),
        *_threats(root),
        *_advice(root),
    ]
    return Document(NAME, "Stress test: analysis", "In full", blocks)


def _method() -> list[Block]:
    items: list[Line] = [
        (
            Strong(("Load.",)),
            " Whatever is timed runs in worker processes, which begin together. The load generator "
            "measures its own ceiling first, on a store that does nothing; what comes close to it is INVALID.",
        ),
        (
            Strong(("Time.",)),
            " Raw nanoseconds, in buffers allocated beforehand; histograms with buckets narrower than a "
            "hundredth of their value are made afterwards. The cost of the timer itself is in the settings below.",
        ),
        (
            Strong(("Steady state.",)),
            " A measurement is cut into blocks of time; the warm-up is cut off where that makes the "
            "mean of the rest most certain. What drifts afterwards counts as not steady, and its figures are "
            "judged as if "
            "they were off by more.",
        ),
        (
            Strong(("Intervals.",)),
            " 95 %, by bootstrap over whole blocks, widened by Student's t for their number. What was "
            "counted or computed over all there is has its value for an interval. A percentile is given only "
            "where enough "
            "samples lie beyond it.",
        ),
        (
            Strong(("Verdicts.",)),
            " PASS and FAIL only if the whole interval lies on one side of the target; INCONCLUSIVE if "
            "it holds the target; NO_DATA without samples enough for an interval; INVALID if a check of "
            "correctness failed "
            "or the measurement is void. A figure that is INVALID supports nothing.",
        ),
        (
            Strong(("Correctness.",)),
            " Every document read is hashed again (SHA-256) by the harness itself; every acknowledged "
            "write is read back at the end by a process that had no part in it.",
        ),
        (
            Strong(("Headroom",)),
            " in the tables is how many times better than its target a figure is; below one it is worse.",
        ),
    ]
    return [Heading(2, ("Method",), "method"), Bullets(items)]


def value_of(at: At, unit: str = "") -> Line:
    """Whatever stands somewhere in the JSON, in one line."""
    value = at.value
    if value is None:
        return ("not known",)
    if isinstance(value, bool):
        return ("yes" if value else "no",)
    if isinstance(value, int | float):
        return (at.number(unit),)
    if isinstance(value, list):
        inside = list(at)
        parts = [value_of(each, unit) for each in inside[:_MOST_ELEMENTS]]
        more: Line = (", and more of them: ", count(inside[_MOST_ELEMENTS:])) if inside[_MOST_ELEMENTS:] else ()
        return (*joined(parts, ", "), *more) if parts else ("none",)
    if isinstance(value, Mapping):
        pairs: list[Line] = [(name, ": ", *value_of(each, unit)) for name, each in at.items()]
        return joined(pairs[:_MOST_ELEMENTS]) if pairs else ("none",)
    return (at.quoted,)


def table_of(at: At, units: Mapping[str, str] | None = None, leave_out: Sequence[str] = ()) -> Table:
    """Names and values of an object, a row each."""
    rows: list[Sequence[Line]] = []
    for path, inside in flat(at):
        last: Any = inside.quoted_key.text
        if last not in leave_out:
            rows.append((path, value_of(inside, (units or {}).get(last, ""))))
    return Table([("what",), ("value",)], rows)


def _environment(root: At) -> list[Block]:
    blocks: list[Block] = [
        Heading(2, ("Environment",), "environment"),
        table_of(root["environment"], {"memory_bytes": "B"}),
    ]
    if busy(root):
        blocks.append(
            Paragraph(
                (
                    "The first load average is above half of the usable cores: other work competed for them "
                    "before the run began, and probably during it.",
                )
            )
        )
    return blocks


def _settings(root: At) -> list[Block]:
    units = {
        "floor_ns": "ns",
        "floor_p99_ns": "ns",
        "step_ns": "ns",
        "time_limit_seconds": "s",
        "seconds": "s",
        "peak_anonymous_bytes": "B",
    }
    blocks: list[Block] = [
        Heading(2, ("The run and its settings",), "settings"),
        table_of(root["run"], units),
        table_of(root["settings"], units, ("cuts", "notes")),
    ]
    for name, title in (("cuts", "Cut short, to keep the time limit"), ("notes", "Notes")):
        lines: list[Line] = [(each.quoted,) for each in root["settings"][name]]
        if lines:
            blocks += [Heading(3, (title,), name), Bullets(lines)]
    return blocks


def _tests(root: At) -> list[Block]:
    blocks: list[Block] = [Heading(2, ("Tests",), "tests")]
    tests = list(root["tests"])
    if not tests:
        return [*blocks, Paragraph(("No tests were run.",))]
    for index, test in enumerate(tests):
        blocks += test_blocks(test, f"test-{index + 1}", 3, value_of)
    return blocks


def _experiments(root: At) -> list[Block]:
    blocks: list[Block] = [Heading(2, ("Experiments",), "experiments")]
    experiments = list(root["experiments"])
    if not experiments:
        return [*blocks, Paragraph(("No experiments were run.",))]
    for index, each in enumerate(experiments):
        blocks += experiment_blocks(each, f"experiment-{index + 1}", value_of)
    return blocks


def _points(root: At) -> list[Block]:
    blocks: list[Block] = [Heading(2, ("Breaking points",), "breaking-points")]
    points = list(root["breaking_points"])
    if not points:
        return [*blocks, Paragraph(("None was looked for in this run.",))]
    for index, point in enumerate(points):
        blocks += point_blocks(point, f"breaking-point-{index + 1}")
    return blocks


def _self_check(root: At) -> list[Block]:
    blocks: list[Block] = [Heading(2, ("How far the harness could be trusted",), "self-check")]
    check = root["self_check"]
    if not check.value:
        return [*blocks, Paragraph(("This run has no self-check.",))]
    reference = check.get("reference")
    if reference is not None and reference.value:
        named: list[tuple[Line, At]] = [(("reference loop",), each) for each in reference]
        blocks += [
            Paragraph(
                (
                    "Loops a second of work that touches no store, each time it was measured. If these differ much, "
                    "the machine itself was faster at one time than at another.",
                )
            ),
            figures_table(named),
        ]
    rest = At({key: value for key, value in check.value.items() if key != "reference"}, check.pointer)
    return [*blocks, table_of(rest)] if rest.value else blocks


def _threats(root: At) -> list[Block]:
    restless = [test["series"] for test in all_tests(root) if unsteady(test)]
    lacking = of_verdict(verdicts(root), "NO_DATA")
    items: list[Line] = [
        ("One run on one machine. Intervals hold what varies within the run, not what varies from day to day.",),
        (
            "A worker that waits for each answer delays the requests behind a stall instead of counting it for "
            "them (closed "
            "loop); tail latencies of a service under a fixed rate will be higher than those of such a test.",
        ),
        ("Made-up entities of even size, drawn evenly unless a test says otherwise. Real ones are neither.",),
        (
            "Absence of collisions among so many addresses bounds their rate only weakly; that is why parts of "
            "the addresses "
            "are tested as well.",
        ),
        (
            "The exponent of growth is fitted over sizes that differ in more than their number (caches, depth of "
            "the index): "
            "it describes this machine and is no law.",
        ),
    ]
    if busy(root):
        items.append(
            (
                "Other work competed for the machine: the load average before the run was ",
                root["environment"]["load_average"][0].number(),
                ", with ",
                root["environment"]["cores"]["usable"].number(),
                " usable cores.",
            )
        )
    if restless:
        items.append(("Tests of which a measurement found no steady state: ", count(restless), "."))
    if root["settings"]["cuts"].value:
        items.append(("Steps cut short to keep the time limit: ", count(list(root["settings"]["cuts"])), "."))
    if lacking:
        items.append(
            (
                "Verdicts without data: ",
                count(lacking),
                ". They are neither good nor bad news.",
            )
        )
    if root["run"]["interrupted"].value:
        items.append(("The run was interrupted; what was left out is missing from every summary.",))
    return [Heading(2, ("Threats to validity",), "threats"), Bullets(items)]


def _advice(root: At) -> list[Block]:
    """Production advice, each line with the figure it rests on."""
    every = advise(root)
    rows = [_advice_row(each) for each in every]
    head: list[Line] = [
        ("entities",),
        ("meant for that",),
        ("should sustain",),
        ("measured",),
        ("at",),
        ("verdict",),
        ("why",),
        ("how to measure it",),
    ]
    return [
        Heading(2, ("Production advice",), "advice"),
        Paragraph(
            (
                "Advice follows from what this run measured of its own store; where it measured nothing of the "
                "kind, the "
                "verdict is NO_DATA, with the nearest measured rate beside it. Rates are of concurrent reads and "
                "durable "
                "writes.",
            )
        ),
        Table(head, rows),
        *_projection(every[-1].rate),
    ]


def _advice_row(each: Advice) -> Sequence[Line]:
    where: Line = NOTHING
    if each.test is not None:
        where = (each.test["scale"].number(style=short), " ", each.test["variant"].quoted)
    return (
        (each.band.name,),
        (each.band.stores,),
        (each.band.rate_words, "/s"),
        _rate(each.rate),
        where,
        (Badge(each.verdict),),
        each.reason,
        (Code(each.band.command),) if each.verdict == "NO_DATA" else NOTHING,
    )


def _rate(rate: At | None) -> Line:
    if rate is None:
        return ("nothing",)
    spread = range_of(rate)
    return (rate["value"].number("1/s"), *(() if spread is None else (" (", *spread, ")")))


def _projection(rate: At | None) -> list[Block]:
    needed = None if rate is None else machines(rate)
    if needed is None:
        return []
    low: Line = () if needed[1] is None else (" (", needed[1], " at the low end of the interval)")
    assumptions: list[Line] = [
        ("Work and entities spread evenly; no shard is hotter than another.",),
        ("Shards don't wait for each other; no operation touches two.",),
        ("The network, replication and consensus cost nothing, which is never quite true.",),
        ("Each machine is like this one, with as many entities as were measured here.",),
    ]
    return [
        Heading(3, ("Projection for more than 1,000,000",), "projection"),
        Paragraph(
            (
                "Not measured. Machines that reach 50,000/s together, if they add up without loss: ",
                needed[0],
                *low,
                ". This assumes:",
            )
        ),
        Bullets(assumptions),
    ]
