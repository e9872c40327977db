"""What a gateway's URL and key may be, and what is never shown or sent."""

from __future__ import annotations

import pytest

import stat7
from stat7.errors import ConfigError
from stat7.registry import configure_files, configure_store, files_beside, gateway_of, redact, split_pair
from stat7.registry.http import GatewayConfig, GatewayStoreConfig
from stat7.remote.settings import Settings

KEY = "stat7_0123abcd_secret-of-mine"


def settings(url: str) -> Settings:
    """Of a URL."""
    config = configure_store(url)
    assert isinstance(config, GatewayConfig)
    return config.settings


@pytest.mark.parametrize(
    ("url", "place", "key"),
    [
        ("https://host", "https://host", ""),
        ("HTTPS://host:7007/", "https://host:7007", ""),
        (f"https://:{KEY}@host:7007", "https://host:7007", KEY),
        (f"https://ada:{KEY}@host/below/it/", "https://host/below/it", KEY),
        ("http://[::1]:7007", "http://[::1]:7007", ""),
        ("https://:a%2Fb@host", "https://host", "a/b"),
    ],
)
def test_a_url_names_a_gateway_and_perhaps_a_key(url: str, place: str, key: str) -> None:
    for configure in (configure_store, configure_files):
        config = configure(url)
        assert isinstance(config, GatewayConfig)
        assert (config.settings.url, config.settings.key) == (place, key)
    assert files_beside(url) == url
    assert gateway_of(url) == place
    assert KEY not in redact(url)
    assert KEY not in repr(config)


@pytest.mark.parametrize(
    "url",
    ["https:", "https://", "https:host", "https://:@", f"https://{KEY}@host", "https://a b", "https://host:99999",
     "https://host#x", "https://host:x", f"https://:{KEY}/x@host", "https://host?key=x", "https://host?timeout=0",
     "https://host?insecure=perhaps", "https://host?retry=-1"],
)  # fmt: skip
def test_what_is_no_url_of_a_gateway_is_refused_without_showing_a_key(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        configure_store(url)
    assert KEY not in str(caught.value)


def test_options_are_read() -> None:
    given = "timeout=5&connect_timeout=2&retry=0&connections=3&insecure=true&ca=own.pem"
    assert settings(f"https://host?{given}") == Settings("https://host", "", 5, 2, 0, 3, True, "own.pem")
    assert settings("https://host") == Settings("https://host")


def test_the_key_given_goes_before_that_of_the_url_and_that_before_the_environments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def chosen(url: str, key: str | None = None) -> str:
        config = configure_store(url)
        assert isinstance(config, GatewayStoreConfig)
        return config.with_key(key).settings.key

    assert chosen("https://host") == ""
    monkeypatch.setenv("STAT7_KEY", "environment")
    assert chosen("https://host") == "environment"
    assert chosen("https://:url@host") == "url"
    assert chosen("https://:url@host", "given") == "given"


@pytest.mark.parametrize("host", ["example.org", "192.168.1.7", "[2001:db8::1]:7007", "localhost.example.org"])
def test_a_key_is_not_sent_in_the_open_to_another_machine(host: str) -> None:
    with pytest.raises(ConfigError, match="plain HTTP can be read") as caught:
        stat7.open(f"http://{host}", key=KEY)
    assert "insecure=true" in str(caught.value)
    assert KEY not in str(caught.value)
    assert Settings(f"http://{host}", KEY, insecure=True).checked()
    assert Settings(f"https://{host}", KEY).checked()
    assert Settings(f"http://{host}").checked()


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:7007", "127.0.0.1:7007", "127.9.9.9", "[::1]:7007", "[::1]"])
def test_on_this_machine_plain_http_does(host: str) -> None:
    assert Settings(f"http://{host}", KEY).checked().loopback


@pytest.mark.parametrize("key", ["two words", "line\nend", "kéy", "\x00"])
def test_what_can_be_no_key_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(ConfigError, match="no key") as caught:
        stat7.open("http://localhost:1", key=key)
    assert key not in str(caught.value)


def test_only_a_gateway_takes_a_key_and_it_takes_no_cache() -> None:
    with pytest.raises(ConfigError, match="only a gateway takes one"):
        stat7.open("memory:", key=KEY)
    with pytest.raises(ConfigError, match="cache is its own"):
        stat7.open("https://host", cache="redis://localhost")


def test_pairs_hold_gateways_on_either_side() -> None:
    gateway, other = f"https://:{KEY}@one:7007", "https://two:7007?retry=1"
    assert split_pair(gateway) == (gateway, gateway)
    assert split_pair(f"{gateway},{other}") == (gateway, other)
    assert split_pair(f"{gateway},file:lib") == (gateway, "file:lib")
    assert split_pair(f"sqlite:lib.db,{other}") == ("sqlite:lib.db", other)
    assert split_pair("http://one:7007,http://two:7007") == ("http://one:7007", "http://two:7007")
    assert KEY not in redact(f"{gateway},{other}")
