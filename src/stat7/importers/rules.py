"""The rules of a table mapping: how one member of an entity follows from a row. Compiled once, applied to every row."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, TypeAlias

from stat7.errors import InvalidEntity
from stat7.importers.values import as_integer, as_number, as_text, as_time, check_time_format, is_empty, shown

Row: TypeAlias = Mapping[str, Any]
"""A row's values by column."""

_Evaluate: TypeAlias = Callable[[Row], Any]
_Finish: TypeAlias = Callable[[Any], Any]

FORMS: Final = {
    "constant": frozenset[str](),
    "field": frozenset({"default", "values", "format"}),
    "template": frozenset({"default"}),
    "scale": frozenset({"from", "to", "clamp", "default"}),
    "split": frozenset({"separator", "template"}),
}
"""The forms of a rule: the key that makes it one, and the keys that may stand beside."""

_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|[{}]")
_PIECE = re.compile(r"\{\{|\}\}|\{\}|[{}]")


class BadRule(Exception):
    """A rule that can't be understood; its text is the reason."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How the member at `path` of an entity (`id`, `coordinates.density`) follows from a row.

    `columns` are those that the row must have; `fixed` the values written in the rule itself, which can be checked
    before there is a row.
    """

    path: str
    columns: tuple[str, ...]
    fixed: tuple[Any, ...]
    evaluate: _Evaluate

    def value(self, row: Row) -> Any:
        """The member for a row that has all columns. Raises InvalidEntity naming the member and the column."""
        try:
            return self.evaluate(row)
        except _Fault as fault:
            raise InvalidEntity(self.path, f'column "{fault.column}": {fault}') from None


class _Fault(Exception):
    def __init__(self, column: str, reason: object) -> None:
        self.column = column
        super().__init__(str(reason))


def compile_rule(path: str, spec: Any) -> Rule:
    """Compile what a mapping says about one member; a bare value is a constant. Raises BadRule."""
    if path == "coordinates.adjacency":
        return _adjacency(path, spec)
    form, options = _form(spec)
    if path == "id" and (form == "constant" or "default" in options):
        raise BadRule(
            'every row would have this same id; write { template = "thing/{column}" } or { field = "column" }'
        )
    if "format" in options and path != "created_at":
        raise BadRule("`format` is for created_at alone")
    finish = _finish(path, options)
    if form == "constant":
        value = finish(_literal(options["constant"], finish))
        return Rule(path, (), (value,), lambda row: value)
    compiled = {"field": _field, "template": _template, "scale": _scale}.get(form)
    if compiled is None:
        raise BadRule("`split` gives a list, which is for adjacency alone")
    return compiled(path, options, finish)


def _form(spec: Any) -> tuple[str, dict[str, Any]]:
    """The form of a rule, and its keys; checked to be exactly those that the form has."""
    if not isinstance(spec, dict):
        if isinstance(spec, str) and "{" in spec:
            raise BadRule(f"a bare text is a constant; write {{ template = {shown(spec)} }} or {{ constant = … }}")
        return "constant", {"constant": spec}
    forms = [name for name in FORMS if name in spec and not (name == "template" and "split" in spec)]
    if len(forms) != 1:
        raise BadRule(f"give exactly one of {', '.join(FORMS)}" + (f", not {' and '.join(forms)}" if forms else ""))
    form = forms[0]
    for key in spec:
        if key != form and key not in FORMS[form]:
            allowed = ", ".join(sorted(FORMS[form])) or "none"
            raise BadRule(f"unknown key {shown(key)} beside `{form}`; allowed: {allowed}")
    if form in ("field", "scale", "split") and (not isinstance(spec[form], str) or not spec[form]):
        raise BadRule(f"`{form}` must name a column")
    return form, spec


def _finish(path: str, options: Mapping[str, Any]) -> _Finish:
    """What brings a value to the type of the member."""
    if path == "created_at":
        try:
            format = check_time_format(options.get("format", "rfc3339"))
        except ValueError as error:
            raise BadRule(f"`format` {error}") from None
        return lambda value: None if value is None else as_time(value, format)
    if path == "coordinates.lineage":
        return as_integer
    if path.startswith("coordinates.") and path not in ("coordinates.realm", "coordinates.horizon"):
        return as_number
    return _normal_text


def _normal_text(value: Any) -> str:
    return unicodedata.normalize("NFC", as_text(value))


def _literal(value: Any, finish: _Finish) -> Any:
    """A value written in the mapping, checked; TOML's own dates and times are taken as their text."""
    if isinstance(value, datetime):
        value = value.isoformat() if value.tzinfo else f"{value.isoformat()}Z"
    elif isinstance(value, date):
        value = f"{value.isoformat()}T00:00:00Z"
    try:
        finish(value)
    except ValueError as error:
        raise BadRule(f"the value {shown(value)} {error}") from None
    return value


def _default(options: Mapping[str, Any], finish: _Finish) -> tuple[Any, ...]:
    """The finished default as a tuple of one, or an empty tuple."""
    return (finish(_literal(options["default"], finish)),) if "default" in options else ()


def _field(path: str, options: Mapping[str, Any], finish: _Finish) -> Rule:
    column = options["field"]
    fallback = _default(options, finish)
    if path == "created_at" and not fallback:
        fallback = (None,)
    if "values" in options:
        return _table(path, column, options["values"], _default(options, finish), finish)

    def evaluate(row: Row) -> Any:
        value = row[column]
        if is_empty(value):
            return _or_fault(fallback, column)
        return _finished(finish, value, column)

    return Rule(path, (column,), fallback, evaluate)


def _table(path: str, column: str, given: Any, fallback: tuple[Any, ...], finish: _Finish) -> Rule:
    """Value table: the column's text is looked up; what isn't there is the default, or refused."""
    if not isinstance(given, dict) or not given:
        raise BadRule('`values` must be a table such as { open = "peak", closed = "decay" }')
    values = {key: finish(_literal(value, finish)) for key, value in given.items()}

    def evaluate(row: Row) -> Any:
        value = row[column]
        text = "" if value is None else _finished(as_text, value, column)
        if text in values:
            return values[text]
        return _or_fault(fallback, column, f"{shown(value)} is not in `values`; add it, or a `default`")

    return Rule(path, (column,), (*values.values(), *fallback), evaluate)


def _template(path: str, options: Mapping[str, Any], finish: _Finish) -> Rule:
    fill, columns = parse_template(options["template"])
    if path == "id" and not columns:
        raise BadRule("the template names no column, so every row would have this same id")
    fallback = _default(options, finish)

    def evaluate(row: Row) -> Any:
        empty = next((column for column in columns if is_empty(row[column])), None)
        if empty is not None:
            return _or_fault(fallback, empty)
        return _finished(finish, fill(row), ", ".join(columns))

    return Rule(path, columns, fallback, evaluate)


def _scale(path: str, options: Mapping[str, Any], finish: _Finish) -> Rule:
    """Linear scale of a stated source range to a target range; what lies outside is clamped only if the rule says."""
    if finish is not as_number and finish is not as_integer:
        raise BadRule("`scale` gives a number, which is for lineage, resonance, velocity and density")
    column = options["scale"]
    low, high = _ends(options, "from")
    first, last = _ends(options, "to")
    if not low < high:
        raise BadRule(f"`from` = [{low}, {high}] must rise; to turn the scale round, turn `to` round")
    clamp = options.get("clamp", False)
    if not isinstance(clamp, bool):
        raise BadRule("`clamp` must be true or false")
    fallback = _default(options, finish)
    whole = finish is as_integer

    def evaluate(row: Row) -> Any:
        value = row[column]
        if is_empty(value):
            return _or_fault(fallback, column)
        number = _finished(as_number, value, column)
        if not low <= number <= high:
            if not clamp:
                remedy = "widen `from`, or set clamp = true"
                raise _Fault(column, f"{shown(value)} is outside the stated range {low} to {high}; {remedy}")
            number = min(max(number, low), high)
        scaled = first + (number - low) / (high - low) * (last - first)
        scaled = min(max(scaled, min(first, last)), max(first, last))
        return round(scaled) if whole else scaled

    ends = (round(first), round(last)) if whole else (first, last)
    return Rule(path, (column,), (*ends, *fallback), evaluate)


def _ends(options: Mapping[str, Any], name: str) -> tuple[float, float]:
    ends = options.get(name)
    if not isinstance(ends, list) or len(ends) != 2:
        raise BadRule(f"`{name}` must be a range of two numbers such as [0, 100]")
    for end in ends:
        if isinstance(end, bool) or not isinstance(end, (int, float)) or not abs(end) < 1e300:
            raise BadRule(f"`{name}` must be a range of two numbers, {shown(end)} is none")
    return ends[0], ends[1]


def _adjacency(path: str, spec: Any) -> Rule:
    """Neighbours: one rule, or an array of rules whose neighbours are put together. Empty columns give none."""
    specs = spec if isinstance(spec, list) and any(isinstance(part, dict) for part in spec) else [spec]
    parts = [_neighbours(path, part) for part in specs]
    columns = tuple(dict.fromkeys(column for part in parts for column in part.columns))
    fixed = tuple(value for part in parts for value in part.fixed)
    return Rule(path, columns, fixed, lambda row: [name for part in parts for name in part.evaluate(row)])


def _neighbours(path: str, spec: Any) -> Rule:
    form, options = _form(spec)
    refused = options.keys() & {"default", "values", "format"}
    if refused or form == "scale":
        raise BadRule(f"`{min(refused, default=form)}` can't be used for adjacency, which is a list of ids")
    if form == "constant":
        names = _texts(options["constant"], "constant")
        return Rule(path, (), (names,), lambda row: names)
    if form == "template":
        return _template_list(path, _texts(options["template"], "template"))
    return _split(path, options[form], options)


def _texts(given: Any, key: str) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise BadRule(f"`{key}` must be a text or an array of texts")
    return [_normal_text(text) for text in texts]


def _template_list(path: str, templates: Iterable[str]) -> Rule:
    parsed = [parse_template(text) for text in templates]

    def evaluate(row: Row) -> list[str]:
        full = [fill for fill, columns in parsed if not any(is_empty(row[column]) for column in columns)]
        return [_normal_text(fill(row)) for fill in full]

    return Rule(path, tuple(dict.fromkeys(column for _, columns in parsed for column in columns)), (), evaluate)


def _split(path: str, column: str, options: Mapping[str, Any]) -> Rule:
    """A column that holds several values: an array, or a text to be cut at a separator; each through the template."""
    separator = options.get("separator")
    if separator is not None and (not isinstance(separator, str) or not separator):
        raise BadRule('`separator` must be a text such as ";"')
    wrap = _parse_piece_template(options.get("template", "{}"))

    def evaluate(row: Row) -> list[str]:
        value = row[column]
        if is_empty(value):
            return []
        if not isinstance(value, list):
            text = _finished(as_text, value, column)
            value = [text] if separator is None else text.split(separator)
        names = [_finished(as_text, piece, column).strip() for piece in value if piece is not None]
        return [_normal_text(wrap(name)) for name in names if name]

    return Rule(path, (column,), (), evaluate)


def parse_template(text: Any) -> tuple[Callable[[Row], str], tuple[str, ...]]:
    """A template such as `airport/{iata}` as a function of a row, and its columns; `{{` and `}}` are braces."""
    if not isinstance(text, str) or not text:
        raise BadRule("`template` must be a text such as thing/{column}")
    parts: list[tuple[str, bool]] = []
    at = 0
    for found in _PLACEHOLDER.finditer(text):
        parts.append((text[at : found.start()], False))
        if found[1] is not None:
            parts.append((found[1], True))
        else:
            parts.append((_brace(found[0], text), False))
        at = found.end()
    parts.append((text[at:], False))

    def fill(row: Row) -> str:
        return "".join([_finished(as_text, row[part], part) if column else part for part, column in parts])

    return fill, tuple(dict.fromkeys(part for part, column in parts if column))


def _parse_piece_template(text: Any) -> Callable[[str], str]:
    """A template in which `{}` stands for the piece itself."""
    parts: list[str | None] = []
    at = 0
    for found in _PIECE.finditer(text if isinstance(text, str) else ""):
        parts += [text[at : found.start()], None if found[0] == "{}" else _brace(found[0], text)]
        at = found.end()
    if None not in parts:
        raise BadRule("`template` beside `split` must be a text that holds {} where the piece belongs")
    parts.append(text[at:])
    return lambda piece: "".join([piece if part is None else part for part in parts])


def _brace(found: str, text: str) -> str:
    if len(found) == 2:
        return found[0]
    raise BadRule(f"{found} in {shown(text)} stands alone; write {{column}}, or {found * 2} for the brace itself")


def _finished(finish: _Finish, value: Any, column: str) -> Any:
    try:
        return finish(value)
    except ValueError as error:
        raise _Fault(column, error) from None


def _or_fault(fallback: tuple[Any, ...], column: str, reason: str = "has no value; give the rule a `default`") -> Any:
    if not fallback:
        raise _Fault(column, reason)
    return fallback[0]
