"""A test, an experiment and a breaking point in full."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from stat7.stress.report.blocks import NOTHING, Badge, Block, Bullets, Code, Heading, Line, Paragraph, Strong, Table
from stat7.stress.report.facts import asked, judged, named, scale
from stat7.stress.report.numbers import At, figure, range_of

_RIGHT: Final = frozenset({1, 2, 3, 5})
_SHORT: Final = frozenset({1, 2, 3})


def figures_table(rows: Sequence[tuple[Line, At]]) -> Table:
    """Figures with value, interval and samples."""
    head: list[Line] = [("figure",), ("value",), ("interval, 95 %",), ("samples",)]
    return Table(head, [(name, *_cells(each)) for name, each in rows], _SHORT)


def _cells(each: At) -> tuple[Line, Line, Line]:
    value, spread = figure(each), range_of(each)
    return (
        NOTHING if value is None else (value,),
        NOTHING if spread is None else spread,
        (each["samples"].number(),),
    )


def test_blocks(test: At, anchor: str, level: int, value_of: Callable[[At], Line]) -> list[Block]:
    """One test: its claim, verdict and why, its figures with targets, its parameters."""
    blocks: list[Block] = [
        Heading(level, (*named(test), ", ", scale(test)), anchor),
        Paragraph(
            (
                "Claim: ",
                test["claim"].quoted,
                ". ",
                Badge(test["verdict"].value, test["verdict"].pointer),
                " ",
                test["why"].quoted,
                ". Taken: ",
                test["seconds"].number("s"),
                ".",
            )
        ),
    ]
    if test["figures"].value or test["target"].value:
        blocks.append(_judged_table(test))
    parameters: list[Line] = [(Code(name), ": ", *value_of(each)) for name, each in test["parameters"].items()]
    if parameters:
        blocks.append(Bullets(parameters))
    return blocks


def _judged_table(test: At) -> Table:
    """All figures; those with a target beside it, with headroom and how the interval stands to it."""
    head: list[Line] = [
        ("figure",),
        ("value",),
        ("interval, 95 %",),
        ("samples",),
        ("target",),
        ("headroom",),
        ("stands",),
    ]
    rows: list[Sequence[Line]] = []
    by_figure: dict[str, list[Sequence[Line]]] = {}
    for each in judged(test):
        target = each.target
        wanted = asked(target)
        headroom: Line = NOTHING if each.headroom is None else (each.headroom,)
        cells: Sequence[Line] = (wanted, headroom, (Badge(each.verdict),))
        by_figure.setdefault(target["figure"].value, []).append(cells)
        if target["figure"].value not in test["figures"].value:
            rows.append(((Code(target["figure"].quoted),), ("not measured",), NOTHING, NOTHING, *cells))
    for name, at in test["figures"].items():
        mine = by_figure.get(at.pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~"), [(NOTHING,) * 3])
        rows += [((Code(name),), *_cells(at), *cells) for cells in mine]
    return Table(head, rows, _RIGHT)


def experiment_blocks(each: At, anchor: str, value_of: Callable[[At], Line]) -> list[Block]:
    """One experiment with its tests."""
    blocks: list[Block] = [
        Heading(3, (each["name"].quoted, ": ", each["title"].quoted), anchor),
        Paragraph(
            (
                Badge(each["verdict"].value, each["verdict"].pointer),
                " ",
                each["why"].quoted,
                ". Taken: ",
                each["seconds"].number("s"),
                ".",
            )
        ),
        Bullets(
            [
                (Strong(("Claim: ",)), each["claim"].quoted),
                (Strong(("Method: ",)), each["method"].quoted),
                *((Strong(("Threat: ",)), threat.quoted) for threat in each["threats"]),
                *((Code(name), ": ", *value_of(inside)) for name, inside in each["parameters"].items()),
            ]
        ),
    ]
    for index, test in enumerate(each["tests"]):
        blocks += test_blocks(test, f"{anchor}-{index + 1}", 4, value_of)
    return blocks


def point_blocks(point: At, anchor: str) -> list[Block]:
    """One breaking point with every probe."""
    unit = str(point["unit"].value)
    edges: list[Line] = [
        ("none",) if point.get(name) is None else (point[name].number(unit),) for name in ("held", "failed")
    ]
    gave = point.get("gave_out")
    blocks: list[Block] = [
        Heading(3, ("Breaking point of ", point["name"].quoted, " at ", scale(point)), anchor),
        Paragraph(
            (
                "Criterion: ",
                point["criterion"].quoted,
                ". Highest level confirmed to hold: ",
                *edges[0],
                "; lowest confirmed not to: ",
                *edges[1],
                "; agreeing probes for each: ",
                point["confirmations"].number(),
                ". ",
                *(() if gave is None else ("What gave out first: ", gave.quoted, ". ")),
                point["why"].quoted,
                ". Taken: ",
                point["seconds"].number("s"),
                ".",
            )
        ),
    ]
    keys = list(dict.fromkeys(key for probe in point["probes"] for key in probe["figures"].value))
    if not point["probes"].value:
        return [*blocks, Paragraph(("No probe was made.",))]
    first = {
        key: next(probe["figures"][key] for probe in point["probes"] if key in probe["figures"].value) for key in keys
    }
    head: list[Line] = [("level",), ("held",), *((Code(first[key].quoted_key),) for key in keys), ("why",)]
    rows: list[Sequence[Line]] = []
    for probe in point["probes"]:
        cells = [_short(probe.get("figures", key)) for key in keys]
        rows.append(
            (
                (probe["level"].number(unit),),
                ("✔ yes" if probe["held"].value else "✘ no",),
                *cells,
                (probe["why"].quoted,),
            )
        )
    return [*blocks, Table(head, rows, frozenset({0, *range(2, 2 + len(keys))}))]


def _short(each: At | None) -> Line:
    value = None if each is None else figure(each)
    spread = None if each is None else range_of(each)
    if value is None:
        return NOTHING
    return (value,) if spread is None else (value, " (", *spread, ")")
