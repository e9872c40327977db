"""Every error class of redis-py becomes one error of stat7, of one line that names the cache and what to do."""

from __future__ import annotations

import inspect

import pytest
from redis import exceptions as driver

from stat7.errors import ConfigError, Stat7Error, StoreFull, Unavailable
from stat7.stores.redis.errors import TRANSLATIONS, translated

PLACE = "redis://cache.example:6379/0"
KINDS = sorted(TRANSLATIONS, key=lambda kind: kind.__name__)


def make(kind: type[BaseException], *texts: str) -> BaseException:
    """An error of this class, whatever its constructor wants."""
    error = kind.__new__(kind)
    error.args = texts
    return error


def test_every_class_of_the_driver_has_its_translation() -> None:
    classes = {kind for _, kind in inspect.getmembers(driver, inspect.isclass) if issubclass(kind, Exception)}
    assert len(classes) > 25
    assert classes == TRANSLATIONS.keys()


@pytest.mark.parametrize("kind", KINDS, ids=[kind.__name__ for kind in KINDS])
def test_translations_are_one_line_that_names_the_cache(kind: type[BaseException]) -> None:
    for error in (make(kind, "some\nmessage"), make(kind)):
        text = str(translated(error, PLACE))
        assert PLACE in text
        assert len(text.splitlines()) == 1
        assert "; " in text


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (driver.ConnectionError, Unavailable),
        (driver.TimeoutError, Unavailable),
        (driver.BusyLoadingError, Unavailable),
        (driver.AuthenticationError, ConfigError),
        (driver.NoPermissionError, ConfigError),
        (driver.ReadOnlyError, ConfigError),
        (driver.MovedError, ConfigError),
        (driver.InvalidResponse, ConfigError),
        (driver.OutOfMemoryError, StoreFull),
        (ConnectionRefusedError, Unavailable),
        (ValueError, ConfigError),
    ],
)
def test_each_trouble_has_its_error(kind: type[BaseException], expected: type[Stat7Error]) -> None:
    assert type(translated(make(kind, "message"), PLACE)) is expected


def test_a_login_that_is_missing_is_told_as_such() -> None:
    error = translated(driver.ResponseError("NOAUTH Authentication required."), PLACE)
    assert isinstance(error, ConfigError)
    assert "USER:PASSWORD" in str(error)


def test_a_class_that_a_later_driver_adds_is_treated_like_its_ancestor() -> None:
    class Later(driver.TimeoutError):
        """Not in the table."""

    assert type(translated(make(Later, "x"), PLACE)) is Unavailable
