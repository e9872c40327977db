"""Every number that a report shows, with where it came from.

A report is made from the results as JSON, through `At`: a value together with its JSON pointer (RFC 6901). A number is
shown only as a `Number`, made from one such value or derived (DERIVATIONS) from several, and text that the run produced
only as a `Quoted`; so each number in a report can be walked back to the JSON.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, isfinite, log10
from typing import Any, Final

CONSTANTS: Final = frozenset({"95", "99", "256"})
"""Number tokens that the reports' own sentences may hold: those of `95 %`, `99 %` and `SHA-256`."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number as shown: `text` and behind it `suffix`, a unit or nothing.

    `value` is in the JSON's own unit; it stands at the one pointer of `sources`, or is what DERIVATIONS[how] makes of
    the values at all of them. `unit` is the JSON's unit. `bare`: the suffix is left to the number beside it.
    """

    text: str
    suffix: str
    value: float
    unit: str
    sources: tuple[str, ...]
    how: str = ""
    bare: bool = False

    def __str__(self) -> str:
        return self.text if self.bare else self.text + self.suffix


@dataclass(frozen=True, slots=True)
class Quoted:
    """Text that came from outside: the string at `pointer`, or with `key` the name it stands there under."""

    text: str
    pointer: str
    key: bool = False

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class At:
    """A value of the results and its JSON pointer."""

    value: Any
    pointer: str = ""

    def __getitem__(self, step: str | int) -> At:
        """The member or element. Raises KeyError or IndexError where there is none."""
        name = str(step).replace("~", "~0").replace("/", "~1")
        return At(self.value[step], f"{self.pointer}/{name}")

    def get(self, *steps: str | int) -> At | None:
        """What lies that deep; None where nothing does, or null."""
        found = self
        for step in steps:
            inside = found.value
            if isinstance(inside, Mapping) and step in inside:
                found = found[step]
            elif isinstance(inside, list) and isinstance(step, int) and -len(inside) <= step < len(inside):
                found = found[step % len(inside)]
            else:
                return None
        return None if found.value is None else found

    def __iter__(self) -> Iterator[At]:
        """The elements of a list; none of null."""
        return (self[index] for index in range(len(self.value or ())))

    def items(self) -> Iterator[tuple[Quoted, At]]:
        """The members of an object, each with its name; none of null."""
        for name in self.value or {}:
            inside = self[name]
            yield Quoted(clean(name), inside.pointer, key=True), inside

    def __bool__(self) -> bool:
        """True also of 0 and of what is empty: it is there."""
        return True

    @property
    def quoted(self) -> Quoted:
        """The string that stands here, fit to be shown in one line."""
        return Quoted(clean(str(self.value)), self.pointer)

    @property
    def quoted_key(self) -> Quoted:
        """The name that this value stands under."""
        name = self.pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
        return Quoted(clean(name), self.pointer, key=True)

    def number(self, unit: str = "", style: Style | None = None) -> Number:
        """The number that stands here, shown in that style (precise)."""
        return _shown(float(self.value), unit, (self.pointer,), "", style or precise)


Style = Callable[[float, str], tuple[str, str]]
"""How a value of a unit is shown: as a text and what follows it."""


def clean(text: str) -> str:
    """The text on one line, without control characters and others that aren't seen."""
    seen = (" " if each.isspace() else each for each in text)
    hidden = ("Cc", "Cf", "Cs", "Co", "Cn")
    return " ".join("".join("\ufffd" if unicodedata.category(each) in hidden else each for each in seen).split())


def _shown(value: float, unit: str, sources: tuple[str, ...], how: str, style: Style) -> Number:
    text, suffix = style(value, unit)
    return Number(text, suffix, value, unit, sources, how)


def in_plain_words(at: At) -> tuple[Number | str, ...]:
    """The value of a figure, and in brackets between what it lies, all in one unit; `unknown` if it has no value."""
    value = figure(at, plain)
    if value is None:
        return ("unknown",)
    spread = ends(at, plain_like(value.value))
    if spread is None or spread[0].value >= spread[1].value:
        return (value,)
    return ranged(value, *spread)


def ranged(value: Number, low: Number, high: Number) -> tuple[Number | str, ...]:
    """A number, its unit, and the ends of its interval without theirs."""
    return (value, " (", replace(low, bare=True), " to ", replace(high, bare=True), ")")


def figure(at: At, style: Style | None = None) -> Number | None:
    """The value of a figure of the results, None if it has none."""
    return None if at.get("value") is None else at["value"].number(str(at["unit"].value), style)


def ends(at: At, style: Style | None = None) -> tuple[Number, Number] | None:
    """The ends of a figure's interval, None if it has none."""
    if at.get("value") is None or at.get("interval") is None:
        return None
    unit = str(at["unit"].value)
    return at["interval"][0].number(unit, style), at["interval"][1].number(unit, style)


# ---------------------------------------------------------------------------------------------------------- styles


def grouped(value: float, digits: int = 4) -> str:
    """A number with that many significant digits; whole numbers up to 10^15 in full, groups of three apart."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    size = abs(value)
    if size >= 1e15 or size < 1e-4:
        return _power(value, digits)
    if size >= 10 ** (digits - 1):
        return f"{round(value):,}"
    return _decimals(value, digits)


def _decimals(value: float, digits: int) -> str:
    places = digits - 1 - floor(log10(abs(value)))
    text = f"{value:,.{max(places, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _power(value: float, digits: int) -> str:
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    return f"{mantissa.rstrip('0').rstrip('.') if '.' in mantissa else mantissa}e{int(exponent)}"


_PRECISE: Final[Mapping[str, Sequence[tuple[float, float, str]]]] = {
    "ms": ((1000, 1e-3, " s"), (0.1, 1, " ms"), (1e-3, 1e3, " µs"), (0, 1e6, " ns")),
    "ns": ((1e9, 1e-9, " s"), (1e6, 1e-6, " ms"), (1e3, 1e-3, " µs"), (0, 1, " ns")),
    "us": ((1e6, 1e-6, " s"), (1e3, 1e-3, " ms"), (0, 1, " µs")),
    "s": ((1, 1, " s"), (0.1e-3, 1e3, " ms"), (0, 1e6, " µs")),
    "B": ((1e9, 1e-9, " GB"), (1e6, 1e-6, " MB"), (1e4, 1e-3, " kB"), (0, 1, " B")),
}
"""From which size on a value of a unit is shown how many times larger, and with which unit."""


def precise(value: float, unit: str) -> tuple[str, str]:
    """Four significant digits and a unit of fitting size."""
    return precise_like(value)(value, unit)


def precise_like(other: float) -> Style:
    """The style in which numbers of the size of `other` are shown precisely, so that a range has one unit."""

    def style(value: float, unit: str) -> tuple[str, str]:
        if other and unit in _PRECISE:
            factor, suffix = next(step[1:] for step in _PRECISE[unit] if abs(other) >= step[0])
            return grouped(value * factor), suffix
        return grouped(value), {"1": "", "": "", "1/s": "/s"}.get(unit, f" {clean(unit)}")

    return style


def range_of(at: At) -> tuple[Number | str, ...] | None:
    """The ends of a figure's interval, in the unit that its value is shown with; None if it has none."""
    if at.get("value") is None:
        return None
    spread = ends(at, precise_like(float(at["value"].value)))
    return None if spread is None else (replace(spread[0], bare=True), " to ", replace(spread[1], bare=True))


_PLAIN: Final[Mapping[str, Sequence[tuple[float, float, str]]]] = {
    "ms": (
        (120_000, 1 / 60_000, " minutes"),
        (1000, 1e-3, " seconds"),
        (0.999, 1, " thousandths of a second"),
        (0, 1e3, " millionths of a second"),
    ),
    "s": ((120, 1 / 60, " minutes"), (1, 1, " seconds"), (1e-3, 1e3, " thousandths of a second")),
    "B": ((1e9, 1e-9, " gigabytes"), (1e6, 1e-6, " megabytes"), (1e4, 1e-3, " kilobytes"), (0, 1, " bytes")),
}


_COUNTED: Final = ("", "1", "addresses", "operations", "writes", "pairs", "changes", "spellings")
"""Units that plain words leave out: what is counted stands before the number."""


def plain(value: float, unit: str) -> tuple[str, str]:
    """Three significant digits, and the unit as a word."""
    return plain_like(value)(value, unit)


def plain_like(other: float) -> Style:
    """The style in which numbers of the size of `other` are shown plainly, so that a range has one unit."""

    def style(value: float, unit: str) -> tuple[str, str]:
        if other and unit in _PLAIN:
            steps = [step[1:] for step in _PLAIN[unit] if abs(other) >= step[0]] or [(1e6, " millionths of a second")]
            factor, suffix = steps[0]
            return _rounded(value * factor), suffix
        return _rounded(value), "" if unit in _COUNTED else " a second" if unit == "1/s" else f" {clean(unit)}"

    return style


def counted(value: float, unit: str) -> tuple[str, str]:
    """A number of whole things, at most three digits of it significant."""
    return _rounded(round(value)), ""


def _rounded(value: float) -> str:
    if abs(value) >= 1000:
        return f"{int(round(value, 2 - floor(log10(abs(value))))):,}"
    return grouped(value, 3)


def whole(value: float, unit: str) -> tuple[str, str]:
    """A count in full, its unit left to the sentence."""
    return grouped(value), ""


def short(value: float, unit: str) -> tuple[str, str]:
    """A scale in few letters: 1K, 100K, 10M; others in full."""
    for size, letter in ((1_000_000, "M"), (1000, "K")):
        if value >= size and value % size == 0:
            return str(int(value // size)), letter
    return grouped(value), ""


def times(value: float, unit: str) -> tuple[str, str]:
    """A ratio."""
    return grouped(value, 3), "×"


# ----------------------------------------------------------------------------------------------------- derivations

DERIVATIONS: Final[Mapping[str, Callable[..., float]]] = {
    "count": lambda *values: float(len(values)),
    "headroom of at least": lambda value, target: value / target,
    "headroom of less than": lambda value, target: target / value,
    "time of tenfold": lambda exponent: 10**exponent,
    "a hundred one after another": lambda each: 100 * each,
    "seconds for a thousand": lambda rate: 1000 / rate,
    "in a twentieth of a second": lambda rate: rate / 20,
    "machines for 50000/s": lambda rate: float(ceil(50_000 / rate)),
    "bytes for a million": lambda each: 1e6 * each,
}
"""What is computed from values of the results, by name."""


def derive(how: str, sources: Sequence[At], unit: str = "", style: Style | None = None) -> Number | None:
    """A number derived from values of the results, None where it can't be (a division by 0, too large a power)."""
    try:
        value = float(DERIVATIONS[how](*(source.value for source in sources)))
    except (ZeroDivisionError, OverflowError):
        return None
    if not isfinite(value):
        return None
    return _shown(value, unit, tuple(source.pointer for source in sources), how, style or precise)


def count(things: Sequence[At]) -> Number:
    """How many there are."""
    return _shown(len(things), "", tuple(thing.pointer for thing in things), "count", whole)
