"""Every error of stat7 comes out of an answer as it went in, and what others say is told from what a gateway says."""

from __future__ import annotations

import orjson
import pytest

from stat7.errors import (
    ConfigError,
    Conflict,
    Corrupt,
    Gone,
    InvalidEntity,
    InvalidQuery,
    NotFound,
    Stat7Error,
    StoreFull,
    Unavailable,
    Unsupported,
)
from stat7.gateway import problems as told
from stat7.gateway.problems import problem_of
from stat7.remote.problems import Busy, error_of, read_problem
from stat7.testing.samples import notice

URL = "https://host"
ADDRESS = "a" * 64


def heard(problem: told.Problem, kept: bool = True) -> Stat7Error:
    """What a client makes of it."""
    headers = {"content-type": told.MEDIA_TYPE, **{k.lower(): v for k, v in problem.headers.items()}}
    return error_of(URL, problem.status, headers, problem.body("1"), kept)


@pytest.mark.parametrize(
    "error",
    [InvalidEntity("files[0].name", "is no name"), InvalidQuery("cursor", "is none"), NotFound("hero/ada"),
     Gone(notice(ADDRESS, id="x", previous="b" * 64)), Conflict("x", ADDRESS), Corrupt(ADDRESS, "they hash to b"),
     Unsupported("a scan", "use an index")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_errors_with_facts_come_out_as_they_went_in(error: Stat7Error) -> None:
    found = heard(problem_of(error))
    assert type(found) is type(error)
    assert (found.args, vars(found)) == (error.args, vars(error))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (StoreFull("/var/lib/x.db: no space"), "the store is full"),
        (ConfigError("no table"), "the gateway's store can't be used as it is configured"),
    ],
)
def test_errors_of_the_gateways_own_stores_tell_no_paths_and_no_hosts(error: Stat7Error, told: str) -> None:
    found = heard(problem_of(error))
    assert type(found) is type(error)
    assert str(found) == f"{URL}: {told}; the gateway's log says more"


def test_what_may_succeed_later_tells_when_and_whether_anything_was_begun() -> None:
    away, full, fast = (
        heard(problem_of(Unavailable("gone"))),
        heard(told.overloaded("many")),
        heard(told.limited(7, "x")),
    )
    assert isinstance(away, Busy)
    assert isinstance(full, Busy)
    assert isinstance(fast, Busy)
    assert [(each.wait, each.unclear) for each in (away, full, fast)] == [(1, True), (1, False), (7, False)]
    too_long = heard(told.Problem(504, "too-long", "t", "took longer than 30 s"))
    assert type(too_long) is Unavailable


@pytest.mark.parametrize("problem", [told.unauthorized("this key has expired"), told.forbidden("needs admin")])
def test_a_key_that_does_not_suffice_names_where_keys_come_from(problem: told.Problem) -> None:
    found = heard(problem)
    assert type(found) is ConfigError
    assert problem.detail in str(found)
    assert "check the key: STAT7_KEY" in str(found)
    assert "name a key: STAT7_KEY" in str(heard(problem, kept=False))


def test_limits_and_routes_tell_what_to_do() -> None:
    assert isinstance(heard(told.too_large("the file", "10 bytes")), Unsupported)
    assert isinstance(heard(told.Problem(416, "bad-range", "t", "no such bytes")), InvalidQuery)
    assert isinstance(heard(told.Problem(404, "no-route", "t", "/x; /docs lists what there is")), ConfigError)
    assert isinstance(heard(told.Problem(421, "wrong-host", "t", "it is called y")), ConfigError)
    assert type(heard(told.Problem(500, "internal", "t", "it is in the log"))) is Unavailable


@pytest.mark.parametrize(
    ("status", "kind", "text"),
    [(401, ConfigError, "STAT7_KEY"), (403, ConfigError, "STAT7_KEY"), (407, ConfigError, "it answers 407"),
     (404, Unavailable, "no answer of a stat7 gateway"), (410, Unavailable, "no answer of a stat7 gateway"),
     (500, Unavailable, "no answer of a stat7 gateway"), (502, Busy, "before the gateway answers 502"),
     (503, Busy, "try again later"), (504, Busy, "try again later"), (429, Busy, "429"),
     (414, Unsupported, "fewer values"), (431, Unsupported, "fewer values")],
)  # fmt: skip
@pytest.mark.parametrize("body", [b"", b"<html>no</html>", b'{"type": "about:blank", "detail": "x"}', b"[1]"])
def test_what_others_say_is_no_word_of_the_gateway(status: int, kind: type[Stat7Error], text: str, body: bytes) -> None:
    for media in ("text/html", "application/problem+json"):
        found = error_of(URL, status, {"content-type": media}, body, True)
        assert type(found) is kind
        assert text in str(found)


def test_a_redirect_names_where_to() -> None:
    found = error_of(URL, 308, {"location": "https://other/?token=secret"}, b"", False)
    assert isinstance(found, ConfigError)
    assert "points to https://other/;" in str(found)


@pytest.mark.parametrize("wait", ["soon", "-1", "1.5", "9" * 30, "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_an_unreadable_time_to_wait_is_a_second(wait: str) -> None:
    found = error_of(URL, 503, {"content-type": "text/plain", "retry-after": wait}, b"", False)
    assert isinstance(found, Busy)
    assert found.wait == 1


@pytest.mark.parametrize(
    "facts",
    [{}, {"type": 7}, {"type": "withdrawn"}, {"type": "withdrawn", "notice": {"address": "x"}},
     {"type": "withdrawn", "notice": {"address": ADDRESS, "case": 1, "reason": "", "withdrawn_at": ""}},
     {"type": "conflict", "id": "x", "current": "y"}, {"type": "not-found"}, {"type": "corrupt", "address": ADDRESS},
     {"type": "invalid-entity", "path": None, "reason": "x"}],
)  # fmt: skip
def test_problems_that_lack_facts_are_not_believed(facts: dict[str, object]) -> None:
    given = {**facts, "type": f"urn:stat7:problem:{facts['type']}"} if isinstance(facts.get("type"), str) else facts
    with pytest.raises(Unavailable, match="no answer of a stat7 gateway"):
        read_problem(URL, orjson.loads(orjson.dumps(given)))
