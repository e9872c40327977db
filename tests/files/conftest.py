"""A store on S3, as it is and behind a proxy, for tests of what goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from stat7.files.objects.store import ObjectFiles
from stat7.testing.servers import Bucket, FaultProxy, S3Server, Server
from tests.files.buckets import LARGE, SMALL, Below, BelowObstore, Placed, open_at


@pytest.fixture
def set_up(monkeypatch: pytest.MonkeyPatch) -> Callable[[Bucket], None]:
    """Puts what clients of a bucket need into the environment."""
    pytest.importorskip("obstore")

    def use(bucket: Bucket) -> None:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)

    return use


@pytest.fixture
def below(s3_bucket: Bucket, set_up: Callable[[Bucket], None]) -> Below:
    """An S3 bucket, to look into."""
    set_up(s3_bucket)
    return BelowObstore(s3_bucket)


@pytest.fixture
def store(below: Below) -> Iterator[ObjectFiles]:
    """A store on S3."""
    made = open_at(below.bucket)
    yield made
    made.close()


@pytest.fixture
def placed(
    s3_server: S3Server,
    s3_bucket: Bucket,
    set_up: Callable[[Bucket], None],
    fault_proxy: Callable[[Server | tuple[str, int]], FaultProxy],
) -> Iterator[Placed]:
    """A store on S3 behind a proxy, which gives up quickly; SMALL and LARGE are in it."""
    proxy = fault_proxy(s3_server)
    set_up(s3_server.reach(s3_bucket.name, proxy.url))
    store = open_at(s3_bucket, "timeout=0.7&retry=0.5")
    store.put(SMALL)
    store.put(LARGE)
    yield store, proxy
    store.close()
