"""Where a gateway listens: the address as it was written, that nobody else listens there, and the certificate."""

from __future__ import annotations

import re
import socket
import ssl
import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from stat7.errors import ConfigError
from stat7.remote.settings import is_loopback

_TRIES: Final = 20

_FIRST: Final = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_NO_KEY: Final = (None, "PEM_LIB", "NO_START_LINE", "NOT_ENOUGH_DATA", "WRONG_TAG")
_KINDS: Final = {
    "RSA": bytes.fromhex("06092a864886f70d010101"),
    "P-256": bytes.fromhex("06082a8648ce3d030107"),
    "P-384": bytes.fromhex("06052b81040022"),
    "Ed25519": bytes.fromhex("06032b6570"),
}
"""Kinds of keys that the server can use, and how a certificate names them. It ends at once when it meets another."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a gateway listens."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return is_loopback(self.host)

    def url(self, scheme: str = "http") -> str:
        """As a URL."""
        return f"{scheme}://{self}"

    def __str__(self) -> str:
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @classmethod
    def read(cls, text: str, port: int) -> Place:
        """From HOST, HOST:PORT, :PORT or [V6]:PORT; without a port it is `port`. Raises ConfigError."""
        host, colon, number = text.rpartition(":")
        if not colon or text.endswith("]") or (":" in host and not host.startswith("[")):
            host, number = text, str(port)
        if not (number.isascii() and number.isdigit() and int(number) < 65536):
            raise ConfigError(f"{text}: {number!r} is no port; write HOST:PORT, such as 127.0.0.1:{port}")
        return cls(host.strip("[]") or "127.0.0.1", int(number))

    def resolved(self) -> Place:
        """With the address that the name stands for, an IPv4 one if there is one. Raises OSError."""
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        _, _, _, _, (host, *_) = min(found, key=lambda each: each[0] != socket.AF_INET)
        return replace(self, host=str(host))

    def collides(self, other: Place) -> bool:
        """Whether both can't be listened at: one port, and one address or all. (What isn't found doesn't collide.)"""
        if self.port != other.port or self.port == 0:
            return False
        try:
            one, two = self.resolved().host, other.resolved().host
        except OSError:
            return False
        return one == two or any(ip_address(host.partition("%")[0]).is_unspecified for host in (one, two))


def take(place: Place, opened: ExitStack) -> Place:
    """Take an address for this process until `opened` is closed: with the address for a name, and a free port for 0.

    Raises ConfigError where another process listens there or is about to. The server itself would not notice: it would
    share the port.
    """
    for again in reversed(range(_TRIES)):
        try:
            found = _free(place.resolved())
            _claim(found, opened)
        except OSError as error:
            if place.port or not again:
                raise ConfigError(
                    f"can't listen at {place}: {error.strerror}; choose another by --bind HOST:PORT"
                ) from None
        else:
            return found
    raise AssertionError("the last try raises or returns")


def _free(place: Place) -> Place:
    """The place, with a port on which nobody listens. Raises OSError."""
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((place.host, place.port))
        return replace(place, port=probe.getsockname()[1])


def _claim(place: Place, opened: ExitStack) -> None:
    """Two that start at the same moment both find the port free. Only one can have a name, which the system frees when
    the process ends, however that happens; other systems than Linux have no names that leave nothing behind.
    """
    if sys.platform == "linux":
        claim = opened.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        claim.bind(f"\0stat7-serve-{place}")


def check_certificate(certificate: Path, key: Path) -> None:
    """Raises ConfigError, which names the option and the file, unless these are certificates in PEM and the private key
    of the first, of a kind that the server can use.
    """
    text = _read("--tls-cert", certificate).decode("latin-1")
    _read("--tls-key", key)
    first = _FIRST.search(text)
    try:
        ssl.create_default_context(cafile=certificate)
    except ssl.SSLError as error:
        raise ConfigError(_unreadable("--tls-cert", certificate, "certificate", error)) from None
    if first is None:
        raise ConfigError(_unreadable("--tls-cert", certificate, "certificate"))
    _check_key(certificate, key)
    der = ssl.PEM_cert_to_DER_cert(first[0])
    if not any(kind in der for kind in _KINDS.values()):
        raise ConfigError(f"--tls-cert {certificate}: its kind of key isn't served; make one of {', '.join(_KINDS)}")


def _check_key(certificate: Path, key: Path) -> None:
    asked: list[bool] = []

    def password() -> str:
        asked.append(True)
        return ""

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password)
    except ssl.SSLError as error:
        if asked:
            what = f"--tls-key {key}: it is encrypted; name one that isn't (openssl pkey makes it)"
        elif error.reason == "KEY_VALUES_MISMATCH":
            what = f"--tls-key {key}: it is not the key of the first certificate in --tls-cert {certificate}"
        elif error.reason in _NO_KEY:
            what = _unreadable("--tls-key", key, "private key", error)
        else:
            what = f"--tls-cert {certificate} with --tls-key {key}: they can't be used{_why(error)}"
        raise ConfigError(what) from None


def _read(option: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{option} {path}: {error.strerror}") from None


def _unreadable(option: str, path: Path, what: str, error: ssl.SSLError | None = None) -> str:
    return f"{option} {path}: no {what} in PEM can be read from it{_why(error)}"


def _why(error: ssl.SSLError | None) -> str:
    return f" ({error.reason.lower().replace('_', ' ')})" if error is not None and error.reason else ""
