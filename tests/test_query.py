"""Queries: what their texts mean, what they match, and cursors that belong to one query alone."""

from __future__ import annotations

import base64
import math
import pickle
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from stat7.coordinates import HORIZONS, MAX_LINEAGE, SCALE
from stat7.errors import InvalidQuery
from stat7.query import ANY, Interval, Query, split_range
from stat7.record import Attachment, Record, format_time
from stat7.testing.strategies import queries, records

SHA = "ab" * 32
SAMPLE = Record(
    SHA, b"", "hero/ada", "character", 1_769_860_800_000, "narrative", 3, ["town/oxbow"], 2, 82_000_000, -10_000_000,
    45_000_000, [Attachment("a", "image/png", 3, SHA)], None,
)  # fmt: skip
REAL_TEXTS = st.one_of(
    st.integers(-SCALE, SCALE).map(lambda units: str(Decimal(units).scaleb(-8))),
    st.integers(-(10**9), 10**9).map(lambda tenths: f"{Decimal(tenths).scaleb(-9):f}"),
    st.integers(-3000, 3000).map(lambda thousandths: f"{thousandths}e-3"),
    st.sampled_from(["0", "-0", "1", "-1", "+1", ".5", "-.5", "1e-8", "1E-9", "5e300", "-5e300", "1e999", "-1e999"]),
)


def refused(**parts: Any) -> InvalidQuery:
    """The error that this query raises."""
    with pytest.raises(InvalidQuery) as caught:
        Query(**parts)
    return caught.value


class TestRanges:
    """Closed ranges of integers, reals, horizons and times."""

    @given(REAL_TEXTS, REAL_TEXTS, st.lists(st.integers(-SCALE, SCALE), min_size=1, max_size=8), st.integers(0, 3))
    @example("0.123456781", "0.123456789", [12345678, 12345679], 0)
    @example("0.82", "0.82", [82_000_000], 3)
    def test_reals_match_as_exact_decimals_do(self, first: str, last: str, units: list[int], shape: int) -> None:
        low, high = sorted((Decimal(first), Decimal(last)))
        near = [int(bound.scaleb(8)) + step for bound in (low, high) if abs(bound) <= 1 for step in (-1, 0, 1)]
        text = (f"{low}..{high}", f"{low}..", f"..{high}", f"{low}")[shape]
        least, most = ((low, high), (low, None), (None, high), (low, low))[shape]
        for name in ("resonance", "velocity", "density"):
            interval = getattr(Query(**{name: text}), name)
            for candidate in (*units, *near):
                if -SCALE <= candidate <= SCALE and (name != "density" or candidate >= 0):
                    value = Decimal(candidate).scaleb(-8)
                    matches = (least is None or least <= value) and (most is None or value <= most)
                    assert interval.holds(candidate) == matches, (text, candidate)

    @given(st.floats(-1.5, 1.5), st.floats(-1.5, 1.5), st.integers(-SCALE, SCALE))
    def test_numbers_of_programs_compare_as_binary64(self, first: float, last: float, units: int) -> None:
        low, high = sorted((first, last))
        assert Query(velocity=(low, high)).velocity.holds(units) == (low <= units / SCALE <= high)
        assert Query(velocity=(units / SCALE, None)).velocity.holds(units)
        assert Query(velocity=units / SCALE).velocity.holds(units)

    @given(st.integers(-5, MAX_LINEAGE + 5), st.integers(-5, MAX_LINEAGE + 5), st.integers(0, MAX_LINEAGE))
    def test_lineages_match_as_integers_do(self, first: int, last: int, lineage: int) -> None:
        low, high = sorted((first, last))
        for candidate in {lineage, *(edge for edge in (low, high) if 0 <= edge <= MAX_LINEAGE)}:
            assert Query(lineage=f"{low}..{high}").lineage.holds(candidate) == (low <= candidate <= high)
            assert Query(lineage=(low, None)).lineage.holds(candidate) == (low <= candidate)
            assert Query(lineage=f" ..{high} ").lineage.holds(candidate) == (candidate <= high)
            assert Query(lineage=low).lineage.holds(candidate) == (low == candidate)

    @pytest.mark.parametrize("parts", [{"lineage": 10**5000}, {"lineage": (10**5000, None)}, {"lineage": "9" * 20}])
    def test_bounds_beyond_the_domain_fit_64_bits_and_match_nothing(self, parts: dict[str, Any]) -> None:
        assert Query(**parts).lineage == (MAX_LINEAGE + 1, None)
        assert Query(lineage=(None, -(10**400))).lineage == (None, -1)
        assert Query(density=(None, -0.5)).density == (None, -1)
        assert Query(resonance=(10**400, math.inf)).resonance == (SCALE + 1, None)

    @pytest.mark.parametrize(
        ("parts", "interval"),
        [
            ({"lineage": "0..9007199254740991"}, ANY),
            ({"lineage": (None, None)}, ANY),
            ({"lineage": "3"}, Interval(3, 3)),
            ({"resonance": "-1..1"}, ANY),
            ({"resonance": (-math.inf, math.inf)}, ANY),
            ({"density": "0.."}, ANY),
            ({"density": "-0.5..1"}, ANY),
            ({"density": 0}, Interval(None, 0)),
            ({"velocity": True - 1.0}, Interval(0, 0)),
            ({"velocity": 1}, Interval(SCALE, None)),
        ],
    )
    def test_ends_at_the_edge_of_the_domain_are_open(self, parts: dict[str, Any], interval: Interval) -> None:
        assert getattr(Query(**parts), next(iter(parts))) == interval

    @pytest.mark.parametrize(
        ("text", "ranks"),
        [
            ("peak", (2,)),
            ("peak..", (2, 3, 4)),
            ("..emergence", (0, 1)),
            ("emergence .. decay", (1, 2, 3)),
            ("decay, genesis,decay", (0, 3)),
            (["peak", "genesis"], (0, 2)),
            ("genesis..", None),
            (HORIZONS, None),
        ],
    )
    def test_horizons_follow_the_order_of_life(self, text: Any, ranks: tuple[int, ...] | None) -> None:
        assert Query(horizon=text).horizons == ranks

    @pytest.mark.parametrize(
        ("text", "first", "last"),
        [
            ("2026-01-31", "2026-01-31T00:00:00.000Z", "2026-01-31T23:59:59.999Z"),
            ("2026-01-31..2026-02-01", "2026-01-31T00:00:00.000Z", "2026-02-01T23:59:59.999Z"),
            ("2026-01-31T12:00:00+02:00..", "2026-01-31T10:00:00.000Z", "9999-12-31T23:59:59.999Z"),
            ("..2026-01-31", "0001-01-01T00:00:00.000Z", "2026-01-31T23:59:59.999Z"),
            (("2026-01-31", None), "2026-01-31T00:00:00.000Z", "9999-12-31T23:59:59.999Z"),
        ],
    )
    def test_times_may_be_whole_days(self, text: Any, first: str, last: str) -> None:
        low, high = Query(created=text).created
        assert low is not None
        assert high is not None
        assert (format_time(low), format_time(high)) == (first, last)

    @pytest.mark.parametrize(
        ("text", "ends"),
        [("a..b", ("a", "b")), (" a .. b ", ("a", "b")), ("a..", ("a", None)), ("..b", (None, "b")), ("a", ("a", "a"))],
    )
    def test_ends_are_split(self, text: str, ends: tuple[str | None, str | None]) -> None:
        assert split_range("x", text) == ends

    @pytest.mark.parametrize("text", ["", " ", "..", " .. ", "a..b..c", "....", "1...2", "...5"])
    def test_what_is_no_range_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidQuery, match=r"^x: .* is not a value or a range"):
            split_range("x", text)


class TestMatching:
    """What a query says of an entity."""

    @pytest.mark.parametrize(
        "parts",
        [
            {},
            {"realm": "narrative"},
            {"realm": " data , narrative"},
            {"realm": ["narrative", "narrative"]},
            {"entity_type": {"character", "quest"}},
            {"lineage": 3, "horizon": "peak", "resonance": 0.82, "velocity": "-0.1", "density": "..0.45"},
            {"adjacent_to": "town/oxbow"},
            {"file": SHA},
            {"created": "2026-01-31"},
            {"created": "..9999-12-31"},
            {"versions": "all"},
        ],
    )
    def test_all_given_parts_hold(self, parts: dict[str, Any]) -> None:
        assert Query(**parts).matches(SAMPLE)

    @pytest.mark.parametrize(
        "parts",
        [
            {"realm": "data,void"},
            {"entity_type": "quest"},
            {"lineage": "..2"},
            {"horizon": "..emergence"},
            {"resonance": "0.82000001.."},
            {"velocity": "-0.09.."},
            {"density": "..0.449"},
            {"adjacent_to": "town"},
            {"file": "0" * 64},
            {"created": "2026-02-01.."},
            {"realm": "narrative", "lineage": 4},
        ],
    )
    def test_one_part_that_does_not_hold_is_enough(self, parts: dict[str, Any]) -> None:
        assert not Query(**parts).matches(SAMPLE)

    def test_an_entity_without_time_matches_no_time(self) -> None:
        timeless = SAMPLE._replace(created_at=None)
        assert Query().matches(timeless)
        assert not Query(created="0001-01-01..").matches(timeless)

    @given(queries(), st.lists(records(), max_size=3))
    def test_it_is_what_its_parts_say_one_by_one(self, query: Query, found: list[Record]) -> None:
        for record in found:
            alone = [Query(**{name: text}) for name, text in query.as_dict().items()]
            assert query.matches(record) == all(part.matches(record) for part in alone)


class TestIdentity:
    """Queries as values: equal, hashable, written as text, never changed."""

    @given(queries())
    def test_its_text_reads_back_as_the_same_query(self, query: Query) -> None:
        again = Query(**query.as_dict())
        assert again == query
        assert hash(again) == hash(query)
        assert again.as_dict() == query.as_dict()
        assert pickle.loads(pickle.dumps(query)) == query  # noqa: S301

    @pytest.mark.parametrize(
        ("parts", "texts"),
        [
            ({}, {}),
            ({"realm": "void,data"}, {"realm": "data,void"}),
            ({"resonance": (0.5, None)}, {"resonance": "0.5.."}),
            ({"resonance": "0.123456781..0.123456789"}, {"resonance": "0.123456785"}),
            ({"velocity": "-1e-8..0"}, {"velocity": "-0.00000001..0"}),
            ({"density": 0.5}, {"density": "0.5"}),
            ({"density": "1e-9..2e-9"}, {"density": "0.000000005"}),
            ({"resonance": "2..3"}, {"resonance": "1.00000001.."}),
            ({"lineage": "-3..-1"}, {"lineage": "..-1"}),
            ({"horizon": "decay.."}, {"horizon": "decay,crystallization"}),
            ({"created": "2026-01-31T12:00:00Z"}, {"created": "2026-01-31T12:00:00.000Z"}),
            ({"versions": "current"}, {}),
            (
                {"versions": "all", "file": SHA, "adjacent_to": "a b"},
                {"versions": "all", "file": SHA, "adjacent_to": "a b"},
            ),
        ],
    )
    def test_its_text_is_short_and_exact(self, parts: dict[str, Any], texts: dict[str, str]) -> None:
        assert Query(**parts).as_dict() == texts
        assert Query(**texts) == Query(**parts)
        assert repr(Query(**texts)).startswith("Query(")

    def test_it_can_not_be_changed(self) -> None:
        query = Query(realm="data")
        with pytest.raises(AttributeError, match="can't be changed"):
            query.realms = None
        assert query != "data"
        assert query == Query(realm=["data"])
        assert query != Query(realm=["data"], versions="all")


class TestCursors:
    """A cursor belongs to one query."""

    @given(queries(), queries(), st.text(st.characters(codec="utf-8"), max_size=20))
    def test_it_carries_a_position_for_its_query_alone(self, query: Query, other: Query, position: str) -> None:
        cursor = query.cursor(position)
        assert cursor.isascii()
        assert query.position(cursor) == position
        assert Query(**query.as_dict()).position(cursor) == position
        assume(other != query)
        with pytest.raises(InvalidQuery, match=r"^cursor: belongs to another query"):
            other.position(cursor)

    @given(
        st.one_of(
            st.text(max_size=30), st.binary(max_size=30).map(lambda data: base64.urlsafe_b64encode(data).decode())
        )
    )
    @example("é")
    @example("a")
    @example("====")
    @example("_w==")
    def test_anything_else_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidQuery) as caught:
            Query().position(text)
        assert caught.value.field == "cursor"

    def test_cursors_survive_restarts(self) -> None:
        """A cursor kept from an earlier release, for a query of every part."""
        query = Query(
            realm="data,void", lineage="1..5", adjacent_to="é", horizon="peak..", resonance="0.5..", velocity="..0",
            density=0.25, entity_type="a.b", created="2026-01-31", file=SHA, versions="all",
        )  # fmt: skip
        assert query.position(KEPT_CURSOR) == "p:1"


KEPT_CURSOR = "M2QwYWViZTI2MGFjMTRlMDpwOjE"


class TestRefusing:
    """What can't be understood is refused by the name of the part."""

    @pytest.mark.parametrize(
        ("parts", "reason"),
        [
            ({"realm": ""}, "'' is not a token"),
            ({"realm": []}, "the set is empty"),
            ({"realm": "Data"}, "'Data' is not a token"),
            ({"realm": "data,"}, "'' is not a token"),
            ({"realm": ["data", 5]}, "5 is not a token"),
            ({"realm": 5}, "must be a comma list or several values, not 5"),
            ({"entity_type": b"a"}, "97 is not a token"),
            ({"entity_type": "a\n\x1b"}, r"'a\n\x1b' is not a token"),
            ({"horizon": ""}, "'' is not one of genesis"),
            ({"horizon": ()}, "the set is empty"),
            ({"horizon": "Peak"}, "'Peak' is not one of"),
            ({"horizon": [["peak"]]}, "a list is not one of"),
            ({"horizon": 2}, "not 2"),
            ({"horizon": "decay..peak"}, "turned round"),
            ({"horizon": ".."}, "is not a value or a range"),
            ({"lineage": "x"}, "'x' is not an integer"),
            ({"lineage": "1.5"}, "'1.5' is not an integer"),
            ({"lineage": 1.5}, "1.5 is not an integer"),
            ({"lineage": True}, "True is not an integer"),
            ({"lineage": "9" * 21}, "is not an integer"),
            ({"lineage": "5..3"}, "5..3 is turned round; write 3..5"),
            ({"lineage": (10**5000, 0)}, "turned round"),
            ({"lineage": (1, 2, 3)}, "a pair"),
            ({"lineage": [1, 2]}, "a list is not an integer"),
            ({"resonance": "nan"}, "'nan' is not a number"),
            ({"resonance": "inf.."}, "'inf' is not a number"),
            ({"resonance": math.nan}, "a float is not a number"),
            ({"resonance": "1_0"}, "'1_0' is not a number"),
            ({"resonance": "5."}, "'5.' is not a number"),
            ({"resonance": "٣"}, "is not a number"),
            ({"resonance": False}, "False is not a number"),
            ({"resonance": ("a", None)}, "'a' is not a number"),
            ({"velocity": "0.5..0.4"}, "0.5..0.4 is turned round"),
            ({"density": "1...2"}, "is not a value or a range"),
            ({"created": "yesterday"}, "nor a date such as"),
            ({"created": 5}, "5 is not an RFC 3339 time"),
            ({"created": "2026-02-30"}, "not a moment"),
            ({"created": "2026-02-01..2026-01-31"}, "turned round"),
            ({"adjacent_to": ""}, "1 to 256 bytes"),
            ({"adjacent_to": "e\u0301"}, "NFC"),
            ({"adjacent_to": 5}, "must be a string"),
            ({"file": "x"}, "'x' is not 64 lowercase hex digits"),
            ({"file": SHA.upper()}, "is not 64 lowercase hex digits"),
            ({"versions": "old"}, "'old' is not one of current, all"),
        ],
    )
    def test_it_names_the_part(self, parts: dict[str, Any], reason: str) -> None:
        error = refused(**parts)
        assert error.field == next(iter(parts))
        assert reason in error.reason
        assert str(error).isprintable()
        assert len(str(error)) < 300

    @given(
        st.sampled_from(
            ["realm", "lineage", "horizon", "resonance", "density", "entity_type", "created", "adjacent_to", "file"]
        ),
        st.one_of(
            st.text(max_size=12), st.integers(), st.floats(), st.lists(st.integers() | st.text(max_size=3)), st.binary()
        ),
    )
    def test_anything_is_read_or_refused(self, name: str, value: Any) -> None:
        try:
            query = Query(**{name: value})
        except InvalidQuery as error:
            assert error.field == name  # noqa: PT017
        else:
            assert Query(**query.as_dict()) == query


def test_intervals_hold_what_lies_between() -> None:
    assert ANY.holds(5)
    assert Interval(1, 3).holds(1)
    assert Interval(1, 3).holds(3)
    assert not Interval(1, 3).holds(4)
    assert not Interval(3, 1).holds(2)
