"""What the figures mean for a library of photos and for a game world, in plain English."""

from __future__ import annotations

from collections.abc import Sequence

from stat7.stress.report.blocks import Block, Bullets, Heading, Line, Paragraph
from stat7.stress.report.facts import has, of_name
from stat7.stress.report.numbers import At, Style, counted, derive, in_plain_words, plain, plain_like, ranged, whole


def photos(root: At) -> list[Block]:
    """A library of photos."""
    found = _largest(root, "lookup", "hit_mean")
    load = _largest(root, "concurrent", "write_per_second")
    memory = _largest(root, "memory", "bytes_per_entity")
    items: list[Line] = []
    if found is not None:
        items.append(
            (
                "In a library of ",
                found["scale"].number(style=whole),
                " photos, the records of a page of a hundred photos, fetched one after another, take about ",
                *_derived("a hundred one after another", found["figures"]["hit_mean"], "ms"),
                ".",
            )
        )
    if load is not None:
        items.append(
            (
                *_under(load),
                ", the records of a thousand new photos would be saved, safe from a power cut, in about ",
                *_derived("seconds for a thousand", load["figures"]["write_per_second"], "s"),
                ".",
            )
        )
    if memory is not None:
        items.append(
            (
                "If you keep the records in memory, a million photos would take about ",
                *_derived("bytes for a million", memory["figures"]["bytes_per_entity"], "B"),
                " of it.",
            )
        )
    return _section(
        "What it means for a library of photos",
        "photos",
        items,
        "This is about the records of photos: titles, dates, places. The picture files are much larger, and how "
        "fast those are read and written is a matter of the experiments with files.",
    )


def game(root: At) -> list[Block]:
    """A game world."""
    found = _largest(root, "lookup", "hit_per_second")
    load = _largest(root, "concurrent", "operations_per_second")
    items: list[Line] = []
    if found is not None:
        items.append(
            (
                "A game that updates its world twenty times a second has a twentieth of a second for each update. In "
                "that time one reader can look up about ",
                *_derived("in a twentieth of a second", found["figures"]["hit_per_second"], "", counted),
                " of ",
                found["scale"].number(style=whole),
                " things, one after another.",
            )
        )
    if load is not None:
        items.append(
            (
                *_under(load),
                ", reads and saves together came to ",
                *in_plain_words(load["figures"]["operations_per_second"]),
                ". If every player does one thing a second, that is as many players at once, with nothing to spare.",
            )
        )
        slow = has(load, "write_p95") or has(load, "write_mean")
        if slow is not None:
            often = (
                "nineteen of twenty saves are done within"
                if slow.pointer.endswith("p95")
                else "a save takes on average"
            )
            items.append(
                (
                    f"With as many at once, {often} ",
                    *in_plain_words(slow),
                    ". What changes faster than that, such as where "
                    "players stand, belongs in the game's own memory, to be saved now and then.",
                )
            )
    return _section("What it means for a game world", "game", items, "")


def _section(title: str, anchor: str, items: Sequence[Line], last: str) -> list[Block]:
    head = Heading(2, (title,), anchor)
    if not items:
        return [head, Paragraph(("This run measured nothing from which that could be told.",))]
    return [head, Bullets(items), *([Paragraph((last,))] if last else [])]


def _largest(root: At, name: str, key: str) -> At | None:
    """The test of that name with the figure at the largest scale; among several there, the one with most done."""
    held = [
        test for test in of_name(list(root["tests"]), name) if has(test, key) and test["verdict"].value != "INVALID"
    ]
    largest = [test for test in held if test["scale"].value == held[-1]["scale"].value]
    return max(largest, key=lambda test: float(test["figures"][key]["value"].value), default=None)


def _under(test: At) -> Line:
    workers = test.get("parameters", "workers")
    many: Line = (
        ("several users",)
        if workers is None or not isinstance(workers.value, int)
        else (workers.number(style=whole), " users")
    )
    return ("With ", test["scale"].number(style=whole), " things in the store and ", *many, " at once")


def _derived(how: str, each: At, unit: str, style: Style | None = None) -> Line:
    """A derived number, and between what it lies."""
    value = derive(how, (each["value"],), unit, style or plain)
    if value is None:
        return ("an unknown amount",)
    style = style or plain_like(value.value)
    edges = [derive(how, (end,), unit, style) for end in each["interval"]] if each.get("interval") else []
    known = sorted((edge for edge in edges if edge is not None), key=lambda edge: edge.value)
    if len(known) < 2 or known[0].value >= known[1].value:
        return (value,)
    return ranged(value, *known)
