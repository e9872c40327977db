"""URLs of buckets: what they may hold, what is never shown, and which package they need."""

from __future__ import annotations

import sys

import pytest

from stat7.errors import ConfigError
from stat7.registry import configure_files, open_files, redact


@pytest.mark.parametrize("scheme", ["s3", "az", "gs"])
@pytest.mark.parametrize(
    ("rest", "bucket", "prefix"),
    [
        ("//bucket", "bucket", ""),
        ("//bucket/", "bucket", ""),
        ("//bucket/some", "bucket", "some/"),
        ("//bucket.with-dots/some/prefix_1/", "bucket.with-dots", "some/prefix_1/"),
    ],
)
def test_a_url_names_a_bucket_and_a_prefix(scheme: str, rest: str, bucket: str, prefix: str) -> None:
    config = configure_files(f"{scheme}:{rest}?timeout=3&retry=0&connections=4&anonymous=yes&endpoint=http://h:1/")
    assert (getattr(config, "bucket", None), getattr(config, "prefix", None)) == (bucket, prefix)


@pytest.mark.parametrize("place", ["bucket", "", "//", "//b", "/bucket", "//bucket//x", "//bucket/.x", "//bucket/a b"])
def test_what_names_no_bucket_is_refused(place: str) -> None:
    with pytest.raises(ConfigError, match="write s3://bucket/prefix"):
        configure_files(f"s3:{place}")


@pytest.mark.parametrize(
    "option",
    [
        "endpoint=localhost:9000",
        "endpoint=http://user:password@host",
        "endpoint=ftp://host",
        "timeout=0",
        "timeout=x",
        "retry=-1",
        "connections=0",
        "anonymous=1",
        "path_style=maybe",
        "region=",
        "account_key=x",
        "unknown=1",
    ],
)
def test_bad_options_are_refused_by_name(option: str) -> None:
    with pytest.raises(ConfigError, match=option.partition("=")[0]):
        configure_files(f"s3://bucket?{option}")


def test_secrets_are_never_shown() -> None:
    url = "s3://bucket/p?access_key_id=AKIAHIDDEN&secret_access_key=TOPSECRET"
    store = open_files(url)
    for text in (repr(configure_files(url)), redact(url), repr(store), str(vars(store))):
        assert "TOPSECRET" not in text
        assert "AKIAHIDDEN" not in text
    store.close()


@pytest.mark.parametrize(("url", "package", "extra"), [
    ("s3://bucket", "obstore", "s3"),
    ("az://container?account=a", "obstore", "azure"),
    ("gs://bucket", "google.cloud.storage", "gcs"),
])  # fmt: skip
def test_a_missing_package_is_named_with_the_way_to_install_it(
    url: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(("stat7.files.objects.s3", "stat7.files.objects.g"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError) as caught:
        open_files(url)
    assert f'pip install "stat7[{extra}]"' in str(caught.value)


def test_no_account_of_azure_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("obstore")
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(ConfigError, match="az://container"):
        open_files("az://container")


def test_no_credentials_of_google_are_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("google.cloud.storage")
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere/key.json")
    with pytest.raises(ConfigError, match="no usable credentials"):
        open_files("gs://bucket")
