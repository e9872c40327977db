"""The way to a gateway: requests over connections that are kept, repeated where that is safe, and every failure one of
stat7.errors.

What is asked again is what reads, what stores content under its own hash, and what compares before it changes. A
request that never arrived, or was refused before anything was begun (429, and 503 at a gateway's bounds), is asked
again whatever it was. A gateway that says how long to wait (Retry-After) is not asked sooner.
"""

from __future__ import annotations

import os
import random
import ssl
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import httpx
import orjson

from stat7 import __version__
from stat7.backoff import Backoff
from stat7.errors import ConfigError, InvalidQuery, Stat7Error, Unavailable, Unsupported
from stat7.remote import answers
from stat7.remote.problems import Busy, error_of
from stat7.remote.settings import Settings

Result = TypeVar("Result")
Params = Mapping[str, str | int]

NDJSON: Final = "application/x-ndjson"
JOB_SECONDS: Final = 24 * 3600.0
"""How long a job over a whole store may keep silent."""

_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_BACKOFF: Final = Backoff()


class Patience:
    """How long one call has been tried: `wait` sleeps before the next try, or raises what made it necessary."""

    def __init__(self, seconds: float, gives_up: Callable[[], bool]) -> None:
        self._seconds = seconds
        self._gives_up = gives_up
        self.renew()

    def renew(self) -> None:
        """Something was got: the time begins again."""
        self._end = time.monotonic() + self._seconds
        self._tries = 0

    def wait(self, error: Busy, *, repeat: bool = True) -> None:
        """Until the next try. Raises the error as Unavailable if there is none: no time, or not to be repeated."""
        pause = error.wait + random.uniform(0.0, min(_BACKOFF.most, _BACKOFF.first * 2.0**self._tries))
        self._tries += 1
        too_late = time.monotonic() + pause >= self._end
        if too_late or self._gives_up() or (error.unclear and not repeat):
            raise Unavailable(str(error)) from None
        time.sleep(pause)


class Connection:
    """Requests to one gateway, from any number of threads. `share` gives the one that others use already."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.url = settings.url
        self._users = 1
        self._open = True
        headers = {"User-Agent": f"stat7/{__version__}", "Cache-Control": "no-cache"}
        if settings.key:
            headers["Authorization"] = f"Bearer {settings.key}"
        timeout = httpx.Timeout(settings.timeout, connect=settings.connect_timeout, pool=settings.connect_timeout)
        most = settings.connections
        try:
            self._client = httpx.Client(
                headers=headers,
                timeout=timeout,
                limits=httpx.Limits(max_connections=most, max_keepalive_connections=most),
                verify=_trusted(settings),
                trust_env=not settings.loopback,
            )
        except (OSError, ValueError, httpx.InvalidURL) as error:
            raise ConfigError(f"{self.url}: can't be used with these certificates or proxies: {error}") from None

    @classmethod
    def share(cls, settings: Settings) -> Connection:
        """A connection with these settings: of a store and its files there need be only one. Close it as often."""
        with _lock:
            name = os.getpid(), settings
            known = _shared.get(name)
            if known is None:
                known = _shared[name] = cls(settings)
            else:
                known._users += 1
            return known

    def close(self) -> None:
        """One user less; the last one closes the connections."""
        with _lock:
            self._users -= 1
            if self._users > 0:
                return
            self._open = False
            for name in [name for name, known in _shared.items() if known is self]:
                del _shared[name]
        self._client.close()

    def patience(self) -> Patience:
        """For one call, whose time begins now."""
        return Patience(self.settings.retry, lambda: not self._open)

    def again(self, attempt: Callable[[], Result], *, repeat: bool = True) -> Result:
        """`attempt()` until it isn't Busy, or there is no time left; unless `repeat`, only where nothing was begun."""
        patience = self.patience()
        while True:
            try:
                return attempt()
            except Busy as busy:
                patience.wait(busy, repeat=repeat)

    def ask(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: Any = None,
        lines: bytes | None = None,
        repeat: bool = True,
        seconds: float | None = None,
        accept: Collection[int] = (),
    ) -> httpx.Response:
        """The whole answer, an error unless its status is 2xx or in `accept`. The body: `json`, or `lines` of NDJSON.

        `seconds` it may keep silent, by default what the settings say.
        """
        content, kind = (_encoded(json), "application/json") if lines is None else (lines, NDJSON)
        headers = {} if content is None else {"Content-Type": kind}

        def attempt() -> httpx.Response:
            with self.begin(
                method, path, params=params, content=content, headers=headers, seconds=seconds, accept=accept
            ) as answer:
                answer.read()
                return answer

        return self.again(attempt, repeat=repeat)

    def fetch(self, method: str, path: str, **asked: Any) -> Any:
        """`ask`, and the JSON of its answer."""
        answer = self.ask(method, path, **asked)
        if not answer.headers.get("content-type", "").startswith("application/json"):
            raise answers.unexpected(self.url)
        return answers.parse(answer.content, self.url)

    @contextmanager
    def begin(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        content: bytes | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
        accept: Collection[int] = (),
    ) -> Iterator[httpx.Response]:
        """One try: the answer's head has come, its body hasn't. Raises Busy for what may be tried again."""
        given: dict[str, Any] = (
            {} if seconds is None else {"timeout": httpx.Timeout(seconds, connect=self.settings.connect_timeout)}
        )
        with (
            self._translated(),
            self._client.stream(
                method, self.url + path, params=params, content=content, headers=headers, **given
            ) as answer,
        ):
            if not (answer.is_success or answer.status_code in accept):
                raise self._error(answer)
            yield answer

    def _error(self, answer: httpx.Response) -> Stat7Error:
        answer.read()
        kept = bool(self.settings.key)
        return error_of(self.url, answer.status_code, answer.headers, answer.content, kept)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """What httpx raises, as an error of ours."""
        if not self._open:
            raise answers.closed(self.url)
        try:
            yield
        except _NOT_SENT as error:
            raise self._not_reached(error) from None
        except httpx.TimeoutException:
            raise Busy(f"{self.url}: no answer in {self.settings.timeout:g} s") from None
        except httpx.InvalidURL:
            raise Unsupported(f"{self.url}: a question of this length", "ask for fewer values at once") from None
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
            raise ConfigError(f"{self.url}: can't be asked: {error}") from None
        except httpx.DecodingError:
            raise answers.unexpected(self.url) from None
        except httpx.HTTPError as error:
            raise Busy(f"{self.url}: the connection broke off ({error or type(error).__name__})") from None
        except RuntimeError:
            # Closed by another thread while this one asked.
            if self._open:
                raise
            raise answers.closed(self.url) from None

    def _not_reached(self, error: httpx.TransportError) -> Stat7Error:
        if isinstance(error, httpx.PoolTimeout):
            most = self.settings.connections
            return Busy(f"{self.url}: all {most} connections are in use; allow more by ?connections=N", unclear=False)
        refused = _certificate_problem(error)
        if refused is not None:
            return ConfigError(
                f"{self.url}: its certificate can't be trusted ({refused}); name the authority by ?ca=FILE.pem"
            )
        why = str(error) or "no connection in time"
        return Busy(f"can't connect to {self.url}: {why}; check host and port, and that it runs", unclear=False)


_lock = threading.Lock()
_shared: dict[tuple[int, Settings], Connection] = {}


def _encoded(value: Any) -> bytes | None:
    if value is None:
        return None
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        raise InvalidQuery("", "holds text that is no Unicode") from None


def _trusted(settings: Settings) -> ssl.SSLContext | bool:
    if settings.url.startswith("http:"):
        return False  # nothing is ever encrypted here, and reading certificates takes long
    if not settings.ca:
        return True
    context = ssl.create_default_context()
    context.load_verify_locations(settings.ca)
    return context


def _certificate_problem(error: BaseException) -> str | None:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return str(cause.verify_message)
        cause = cause.__cause__ or cause.__context__
    return None
