"""Each real server answers real clients, survives being killed, is not alone of its kind, and leaves nothing behind."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import obstore
import psycopg
import pytest
import redis
from obstore.store import AzureStore, S3Store
from redis.backoff import NoBackoff
from redis.retry import Retry

from stat7.testing.required import need
from stat7.testing.servers import (
    PROGRAMS,
    Alertmanager,
    AzureServer,
    Bucket,
    Cassandra,
    DynamoDB,
    FaultProxy,
    GcsServer,
    PostgreSQL,
    Prometheus,
    Redis,
    S3Server,
    Server,
    ServerFailed,
)
from stat7.testing.servers.objects import demand, request
from tests.testing.test_servers_base import gone

KINDS: list[type[Server]] = [PostgreSQL, Redis, S3Server, GcsServer, AzureServer, DynamoDB, Prometheus, Alertmanager]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_each_starts_beside_another_of_its_kind_and_leaves_nothing(kind: type[Server]) -> None:
    need(kind.program.name)
    with kind() as one, kind() as other:
        assert one.port != other.port
        assert one._answers()
        assert other._answers()
        left = [(server.pid, server.folder, server.log) for server in (one, other)]
    for pid, folder, log in left:
        assert gone(pid, 5)
        assert not folder.exists()
        assert not log.exists()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_each_comes_back_on_its_port_after_a_kill_and_a_restart(kind: type[Server]) -> None:
    need(kind.program.name)
    with kind() as server:
        port, pid = server.port, server.pid
        server.kill()
        assert gone(pid, 5)
        server.start()
        assert server._answers()
        server.restart()
        assert server._answers()
        assert server.port == port


def test_every_program_can_be_asked_for_by_its_name() -> None:
    programs = [*(kind.program for kind in KINDS), Cassandra.program]
    assert {program.name: program for program in programs} == PROGRAMS


def test_postgres_keeps_what_was_committed_when_it_is_killed(start_server: Callable[[PostgreSQL], PostgreSQL]) -> None:
    server = start_server(PostgreSQL())
    url = server.create_database()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept (value int)")
        connection.execute("INSERT INTO kept VALUES (7)")
    server.kill()
    with psycopg.connect(server.start().url(url.rpartition("/")[2])) as connection:
        assert connection.execute("SELECT value FROM kept").fetchall() == [(7,)]


def test_postgres_is_durable_unless_told_otherwise(
    postgres_url: str, start_server: Callable[[PostgreSQL], PostgreSQL]
) -> None:
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SHOW fsync").fetchall() == [("on",)]
        assert connection.execute("SHOW synchronous_commit").fetchall() == [("on",)]
    quick = start_server(PostgreSQL({"fsync": "off", "max_connections": "20"}))
    with psycopg.connect(quick.url()) as connection:
        assert connection.execute("SHOW fsync").fetchall() == [("off",)]
        assert connection.execute("SHOW max_connections").fetchall() == [("20",)]


def test_postgres_asks_for_its_password_and_hides_it(postgres_server: PostgreSQL) -> None:
    wrong = postgres_server.url().replace(postgres_server.password, "wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)
    assert postgres_server.password not in repr(postgres_server)


def test_postgres_says_which_setting_it_cannot_start_with() -> None:
    need("postgres")
    server = PostgreSQL({"shared_buffers": "much"})
    with pytest.raises(ServerFailed, match=r"(?s)ended before it answered.*shared_buffers"):
        server.start()
    server.log.unlink()


def test_a_database_used_before_is_empty_again(postgres_server: PostgreSQL) -> None:
    url = postgres_server.create_database()
    left_open = psycopg.connect(url)
    left_open.execute("CREATE TABLE t (x int)")
    left_open.execute("CREATE SCHEMA other")
    left_open.execute("CREATE TABLE other.t (x int)")
    left_open.commit()
    left_open.execute("LOCK TABLE t")
    postgres_server.clean_database(url)
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname IN ('public', 'other')").fetchall()
        assert found == [("public",)]
        assert connection.execute("SELECT to_regclass('t')").fetchall() == [(None,)]
    with pytest.raises(psycopg.OperationalError):
        left_open.execute("SELECT 1")
    left_open.close()
    postgres_server.drop_database(url)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)


@pytest.mark.parametrize("turn", [1, 2])
def test_every_test_gets_databases_of_its_own_that_are_empty(turn: int, new_postgres_url: Callable[[], str]) -> None:
    one, other = new_postgres_url(), new_postgres_url()
    assert one != other
    for url in (one, other):
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE only_once (x int)")


@pytest.mark.parametrize("turn", [1, 2])
def test_every_test_gets_a_redis_without_keys(turn: int, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("key", "value")


def test_redis_takes_settings_and_a_password(start_server: Callable[[Redis], Redis]) -> None:
    server = start_server(Redis({"maxmemory": "8mb", "maxmemory-policy": "allkeys-lru"}, password="open sesame"))
    with redis.Redis(port=server.port, password="open sesame") as client:
        client.set("key", "value")
        assert client.config_get("maxmemory*")["maxmemory-policy"] == "allkeys-lru"
        server.flush()
        assert client.dbsize() == 0
    with (
        pytest.raises(redis.AuthenticationError),
        redis.Redis(port=server.port, retry=Retry(NoBackoff(), 0)) as stranger,
    ):
        stranger.ping()
    server.password = "changed"
    with pytest.raises(ServerFailed, match="did not forget"):
        server.flush()


def s3(bucket: Bucket) -> S3Store:
    """obstore's client of a bucket, told everything explicitly."""
    return S3Store(
        bucket.name,
        endpoint=bucket.endpoint,
        access_key_id=bucket.environment["AWS_ACCESS_KEY_ID"],
        secret_access_key=bucket.environment["AWS_SECRET_ACCESS_KEY"],
        region=bucket.environment["AWS_REGION"],
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )


def azure(bucket: Bucket) -> AzureStore:
    """The same for Azure."""
    return AzureStore(
        bucket.name,
        endpoint=bucket.endpoint,
        account_name=bucket.environment["AZURE_STORAGE_ACCOUNT_NAME"],
        account_key=bucket.environment["AZURE_STORAGE_ACCOUNT_KEY"],
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )


def test_s3_stores_objects_that_can_be_looked_at_below_it(s3_bucket: Bucket, s3_server: S3Server) -> None:
    store = s3(s3_bucket)
    large = os.urandom(12 << 20)
    obstore.put(store, "folder/small", b"small")
    obstore.put(store, "large", large)
    assert obstore.get(store, "large").bytes() == large
    assert s3_server.stored(s3_bucket, "folder/small").read_bytes() == b"small"
    s3_server.stored(s3_bucket, "folder/small").write_bytes(b"spoil")
    assert obstore.get(store, "folder/small").bytes() == b"spoil"
    assert [item["path"] for page in obstore.list(store) for item in page] == ["folder/small", "large"]


def test_s3_is_reached_by_the_environment_alone(s3_bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3_bucket.environment.items():
        monkeypatch.setenv(name, value)
    store = S3Store(s3_bucket.name)
    obstore.put(store, "key", b"value")
    assert obstore.get(store, "key").bytes() == b"value"
    assert s3_bucket.environment["AWS_SECRET_ACCESS_KEY"] not in repr(s3_bucket)


def test_s3_keeps_its_objects_when_it_is_killed(start_server: Callable[[S3Server], S3Server]) -> None:
    server = start_server(S3Server())
    bucket = server.bucket()
    obstore.put(s3(bucket), "key", b"value")
    server.kill()
    server.start()
    assert obstore.get(s3(bucket), "key").bytes() == b"value"


def test_s3_without_that_bucket_or_secret_refuses(s3_server: S3Server) -> None:
    with pytest.raises(FileNotFoundError):
        obstore.put(s3(s3_server.reach("absent")), "key", b"value")
    bucket = s3_server.bucket()
    wrong = Bucket(bucket.name, bucket.url, bucket.endpoint, {**bucket.environment, "AWS_SECRET_ACCESS_KEY": "wrong"})
    with pytest.raises(obstore.exceptions.PermissionDeniedError):
        obstore.put(s3(wrong), "key", b"value")


def test_s3_is_reached_through_a_proxy(s3_server: S3Server, fault_proxy: Callable[[Server], FaultProxy]) -> None:
    proxy = fault_proxy(s3_server)
    store = s3(s3_server.bucket(endpoint=proxy.url))
    obstore.put(store, "key", b"value")
    proxy.answer(503, times=1)
    with pytest.raises(obstore.exceptions.GenericError, match="503"):
        obstore.get(store, "key")
    assert obstore.get(store, "key").bytes() == b"value"
    assert (proxy.answered, proxy.connections > 0) == (1, True)


def test_azure_stores_objects(azure_bucket: Bucket, azure_server: AzureServer) -> None:
    store = azure(azure_bucket)
    large = os.urandom(12 << 20)
    obstore.put(store, "folder/small", b"small")
    obstore.put(store, "large", large)
    assert obstore.get(store, "large").bytes() == large
    assert obstore.get_range(store, "large", start=5, end=9) == large[5:9]
    assert [item["path"] for page in obstore.list(store) for item in page] == ["folder/small", "large"]
    with pytest.raises(FileNotFoundError):
        obstore.put(azure(azure_server.reach("absent")), "key", b"value")


def test_azure_is_reached_by_the_environment_alone(azure_bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in azure_bucket.environment.items():
        monkeypatch.setenv(name, value)
    store = AzureStore(azure_bucket.name)
    obstore.put(store, "key", b"value")
    assert obstore.get(store, "key").bytes() == b"value"


def test_azure_keeps_its_objects_over_a_restart_if_told_to(
    start_server: Callable[[AzureServer], AzureServer],
) -> None:
    server = start_server(AzureServer(persistent=True))
    bucket = server.bucket()
    obstore.put(azure(bucket), "key", b"value")
    server.restart()
    assert obstore.get(azure(bucket), "key").bytes() == b"value"


def test_azure_needs_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert AzureServer.program.find() is None


def test_gcs_stores_objects(gcs_bucket: Bucket, gcs_server: GcsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    from google.cloud import storage

    for name, value in gcs_bucket.environment.items():
        monkeypatch.setenv(name, value)
    client = storage.Client()
    bucket = client.bucket(gcs_bucket.name)
    large = os.urandom(12 << 20)
    bucket.blob("folder/small").upload_from_string(b"small")
    bucket.blob("large", chunk_size=4 << 20).upload_from_string(large)
    assert bucket.blob("large").download_as_bytes() == large
    assert sorted(blob.name for blob in bucket.list_blobs()) == ["folder/small", "large"]
    gcs_server.remove(gcs_bucket)
    assert client.lookup_bucket(gcs_bucket.name) is None
    client.close()
    # What the fixture removes after the test has to be there.
    bucket.client.create_bucket(gcs_bucket.name)


def test_a_refused_request_names_the_server_and_its_answer(gcs_server: GcsServer) -> None:
    with pytest.raises(ServerFailed, match=r"fake-gcs-server: GET /storage/v1/b/absent was answered 404"):
        demand(gcs_server, "GET", "/storage/v1/b/absent")


def test_what_is_no_http_server_does_not_answer(redis_server: Redis) -> None:
    with pytest.raises(OSError, match="no HTTP answer"):
        request(redis_server, "GET", "/")


def test_gcs_sends_its_clients_to_the_proxy_before_it(
    start_server: Callable[[GcsServer], GcsServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    from google.cloud import storage

    with FaultProxy(("127.0.0.1", 1)) as proxy:
        server = start_server(GcsServer(persistent=True, endpoint=proxy.url))
        proxy.upstream = server.address
        bucket = server.bucket()
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", bucket.environment["STORAGE_EMULATOR_HOST"])
        client = storage.Client(project="test")
        large = os.urandom(3 << 20)
        client.bucket(bucket.name).blob("large", chunk_size=1 << 20).upload_from_string(large)
        assert proxy.bytes_to_server > len(large)
        server.restart()
        assert client.bucket(bucket.name).blob("large").download_as_bytes() == large
        client.close()


def test_programs_are_sought_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("STAT7_SERVERS", str(tmp_path))
    assert S3Server.program.find() is None
    assert GcsServer.program.find() is None
    assert Redis.program.find() is None
    from stat7.testing.servers import programs

    built = programs.built("versitygw", programs.VERSITYGW)
    built.parent.mkdir()
    built.touch()
    assert S3Server.program.path() == built
    monkeypatch.delenv("STAT7_SERVERS")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert programs.cache() == tmp_path / "stat7" / "servers"


def fake_java(home: Path, version: str) -> Path:
    """What looks like a Java of that version, its program returned."""
    program = home / "bin" / ("java.exe" if os.name == "nt" else "java")
    program.parent.mkdir(parents=True)
    program.touch()
    (home / "release").write_text(f'IMPLEMENTOR="nobody"\nJAVA_VERSION="{version}"\n', "utf-8")
    return program.resolve()


def test_a_java_is_taken_only_if_it_is_of_a_release_the_servers_run_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from stat7.testing.servers import programs

    new, old = fake_java(tmp_path / "new", "17.0.15"), fake_java(tmp_path / "old", "11.0.2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "new"))
    assert programs.java() == new
    assert programs.java_release(new)[0] == 17
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "old"))
    assert programs.java() != old
    assert programs.java_release(tmp_path / "bin" / "java") == (0, "")


def test_jars_are_of_no_use_without_a_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from stat7.testing.servers import jvm, programs

    monkeypatch.setenv("STAT7_SERVERS", str(tmp_path))
    jar = programs.jar_folder("dynamodb") / f"DynamoDBLocal-{programs.DYNAMODB}.jar"
    jar.parent.mkdir()
    jar.touch()
    monkeypatch.setattr(programs, "java", lambda: tmp_path / "java")
    assert DynamoDB.program.path() == jar
    assert Cassandra.program.find() is None
    assert "-Djava.security.manager=allow" not in jvm.opened()
    fake_java(tmp_path, "21.0.1")
    monkeypatch.setattr(programs, "java", lambda: tmp_path / "bin" / "java")
    assert "-Djava.security.manager=allow" in jvm.opened()
    monkeypatch.setattr(programs, "java", lambda: None)
    assert DynamoDB.program.find() is None
    with pytest.raises(ServerFailed, match="Java 17 or 21 is not on this machine"):
        jvm.java()
