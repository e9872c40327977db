"""Where a Redis is: what its URL may say, and that it is shown without secrets."""

from __future__ import annotations

import pytest

from stat7.stores.redis.server import Server


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("redis://localhost", Server("localhost")),
        ("redis://localhost/", Server("localhost")),
        ("redis://localhost:7000/3", Server("localhost", 7000, 3)),
        ("rediss://cache.example:6380", Server("cache.example", 6380, tls=True)),
        ("redis://:secret@host/1", Server("host", 6379, 1, None, "secret")),
        ("redis://ada:a%2Fb%40c@host", Server("host", user="ada", password="a/b@c")),
        ("redis://[::1]:7000/2", Server("::1", 7000, 2)),
    ],
)
def test_a_url_is_read(url: str, server: Server) -> None:
    assert Server.parse(url) == server


@pytest.mark.parametrize(
    "url",
    [
        "redis:",
        "redis:localhost",
        "redis:///0",
        "redis://host/zero",
        "redis://host/0/1",
        "redis://host:port",
        "redis://host:70000",
        "redis://:a/b@host",
        "redis://:a#b@host/0",
        "redis://[::1",
    ],
)
def test_what_is_no_place_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"^not a host and"):
        Server.parse(url)


def test_it_is_shown_without_secrets() -> None:
    server = Server("::1", user="ada", password="hush", tls=True)
    assert server.place == "rediss://[::1]:6379/0"
    assert "hush" not in repr(server)
