"""Every error class of the client libraries becomes one error of stat7: one line, no secrets, what to do."""

from __future__ import annotations

import inspect
from types import ModuleType

import pytest

from stat7.errors import ConfigError, Stat7Error, StoreFull, Unavailable
from stat7.files.objects.errors import TRANSLATIONS, Cause, is_beyond_the_end, translated, translating

PLACE = "s3://bucket/prefix"


def classes_of(module: ModuleType) -> set[str]:
    """The names of the exception classes that a module has made itself, warnings left out."""
    found = inspect.getmembers(module, inspect.isclass)
    return {
        f"{kind.__module__}.{name}"
        for name, kind in found
        if issubclass(kind, Exception) and not issubclass(kind, Warning) and kind.__module__ == module.__name__
    }


@pytest.mark.parametrize(
    "name",
    [
        "obstore.exceptions",
        "google.api_core.exceptions",
        "google.auth.exceptions",
        "google.cloud.storage.exceptions",
        "requests.exceptions",
    ],
)
def test_every_class_of_a_library_has_its_translation(name: str) -> None:
    module = pytest.importorskip(name)
    known = {kind for kind in TRANSLATIONS if kind.startswith(f"{name}.")}
    assert len(known) >= 3
    assert classes_of(module) == known


@pytest.mark.parametrize("kind", sorted(TRANSLATIONS))
def test_translations_are_one_line_that_names_the_place(kind: str) -> None:
    for cause in (Cause(0, "", ""), Cause(503, "SlowDown", "<Error>\nsecret"), Cause(403, "Denied", "secret")):
        text = str(TRANSLATIONS[kind](PLACE, cause))
        assert text.startswith(PLACE)
        assert len(text.splitlines()) == 1
        assert ";" in text
        assert "secret" not in text


def generic(text: str) -> Exception:
    """What obstore raises for most things."""
    exceptions = pytest.importorskip("obstore.exceptions")
    error: Exception = exceptions.GenericError(text)
    return error


def answer(status: int, code: str = "Some") -> Exception:
    """obstore's error for an answer with that status."""
    return generic(
        f"Generic S3 error: Error performing PUT http://host/b/k in 1ms, after 3 retries - Server returned non-2xx "
        f"status code: {status} Text: <Error><Code>{code}</Code><Message>secret</Message></Error>"
    )


@pytest.mark.parametrize(
    ("error", "expected", "said"),
    [
        (lambda: answer(500), Unavailable, "500"),
        (lambda: answer(503, "SlowDown"), Unavailable, "503 SlowDown"),
        (lambda: answer(429), Unavailable, "429"),
        (lambda: answer(403, "AccessDenied"), ConfigError, "refuses these credentials (AccessDenied)"),
        (lambda: answer(401), ConfigError, "credentials"),
        (lambda: answer(400, "ExpiredToken"), ConfigError, "credentials"),
        (lambda: answer(403, "RequestTimeTooSkewed"), ConfigError, "clock"),
        (lambda: answer(404, "NoSuchBucket"), ConfigError, "no such bucket"),
        (lambda: answer(301, "PermanentRedirect"), ConfigError, "region="),
        (lambda: answer(501, "NotImplemented"), ConfigError, "501 NotImplemented"),
        (lambda: answer(507), StoreFull, "no room"),
        (lambda: answer(403, "QuotaExceeded"), StoreFull, "quota"),
        (lambda: generic("x - HTTP error: error sending request\nkind: Connect,"), Unavailable, "can't be reached"),
        (lambda: generic("x - HTTP error: error sending request\nkind: Timeout,"), Unavailable, "in time"),
        (lambda: generic("x - HTTP error: request or response body error\nkind: Body,"), Unavailable, "broke off"),
        (lambda: generic("invalid peer certificate: UnknownIssuer"), ConfigError, "certificate"),
        (
            lambda: generic("Error performing PUT http://169.254.169.254/latest/api/token in 1s - status code: 403"),
            ConfigError,
            "no usable credentials",
        ),
        (lambda: generic("something else"), Unavailable, "the request failed"),
        (lambda: FileNotFoundError("Object at location x not found"), ConfigError, "no such bucket"),
    ],
)
def test_each_trouble_has_its_error(error: object, expected: type[Stat7Error], said: str) -> None:
    assert callable(error)
    found = translated(error(), PLACE)
    assert type(found) is expected
    assert said in str(found)


def test_a_class_that_a_later_library_adds_is_treated_like_its_ancestor() -> None:
    exceptions = pytest.importorskip("google.api_core.exceptions")

    class Later(exceptions.Forbidden):  # type: ignore[misc, name-defined]
        """Not in the table."""

    assert type(translated(Later("no"), PLACE)) is ConfigError


def test_what_comes_from_elsewhere_is_left_alone() -> None:
    assert translated(KeyError("ours"), PLACE) is None
    with pytest.raises(KeyError), translating(PLACE):
        raise KeyError("ours")


def test_the_cause_with_its_secrets_is_not_shown() -> None:
    with pytest.raises(ConfigError) as caught, translating(PLACE):
        raise answer(403)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "secret" not in str(caught.value)


def test_a_range_beyond_the_end_is_told_from_other_troubles() -> None:
    assert is_beyond_the_end(answer(416))
    assert is_beyond_the_end(generic("source: InvalidRangeRequest { source: StartTooLarge"))
    assert not is_beyond_the_end(answer(500))
