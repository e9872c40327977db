"""boto3's client and the threads that use it: made once for a store, and anew in a forked child."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config

from stat7.errors import ConfigError, Stat7Error, Unavailable
from stat7.stores.dynamodb.errors import RAISED, translated
from stat7.stores.dynamodb.settings import Settings
from stat7.stores.dynamodb.wire import shorten


class Client:
    """One client of boto3, which many threads may use, and a pool of threads for requests that go out together."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._closed = False
        self._pool: ThreadPoolExecutor | None = None
        self._begin()

    def api(self) -> Any:
        """boto3's client. Raises Unavailable once the store is closed."""
        self._check()
        return self._api

    def pool(self) -> ThreadPoolExecutor:
        """The threads. Raises Unavailable once the store is closed."""
        self._check()
        with self._lock:
            if self._pool is None:
                name = f"stat7-{self.settings.table}"
                self._pool = ThreadPoolExecutor(self.settings.connections, thread_name_prefix=name)
            return self._pool

    @property
    def closed(self) -> bool:
        """Whether the store was closed."""
        return self._closed

    def close(self) -> None:
        """Let go of connections and threads; twice is harmless."""
        with self._lock:
            self._closed = True
            if self._pool is not None:
                self._pool.shutdown(wait=False, cancel_futures=True)
                self._pool = None
        self._api.close()

    def failure(self, error: Exception) -> Stat7Error:
        """The stat7 error for one of boto3's, or of a pool that was closed meanwhile."""
        return _closed_error() if self._closed else translated(error, self.settings.where())

    def _check(self) -> None:
        if self._closed:
            raise _closed_error()
        if self._process != os.getpid():
            # Sockets and threads belong to the parent of a fork.
            self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._pool = None
        try:
            self._api = _connect(self.settings)
        except RAISED as error:
            raise translated(error, self.settings.where()) from error
        except ValueError as error:
            # What boto3 says of an endpoint that is none.
            raise ConfigError(
                f"boto3 refuses the settings of {self.settings.where()} ({error}); mend the URL"
            ) from error


def _connect(settings: Settings) -> Any:
    session = boto3.session.Session(
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=settings.secret_access_key,
        aws_session_token=settings.session_token,
        region_name=settings.region,
        profile_name=settings.profile,
    )
    config = Config(
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.timeout,
        # Its own retries would multiply with ours, which know how much time a whole call has.
        retries={"mode": "standard", "total_max_attempts": 1},
        # Callers may have threads of their own besides the pool's.
        max_pool_connections=2 * settings.connections,
        # What we send is built here and nowhere else; checking every value anew takes a fifth of the time.
        parameter_validation=False,
        tcp_keepalive=True,
        user_agent_extra="stat7",
    )
    api = session.client("dynamodb", endpoint_url=settings.endpoint, config=config)
    shorten(api)
    return api


def _closed_error() -> Unavailable:
    return Unavailable("the DynamoDB store is closed; open it again")
