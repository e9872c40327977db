"""URLs of DynamoDB stores: what they may hold, what is refused, and that no key is ever shown."""

from __future__ import annotations

import builtins
from typing import Any

import pytest

from stat7.errors import ConfigError
from stat7.registry import configure_store, files_beside, open_store, redact
from stat7.registry.dynamodb import DynamoDBConfig


def test_a_url_names_the_table_and_its_options() -> None:
    url = "dynamodb://library.main?region=eu-west-1&endpoint=http://localhost:8000&timeout=5&retry=0&partitions=256"
    config = configure_store(url)
    assert isinstance(config, DynamoDBConfig)
    assert config.table == "library.main"
    options = {"region": "eu-west-1", "endpoint": "http://localhost:8000", "timeout": 5, "retry": 0, "partitions": 256}
    assert config.options == options
    assert config.require() is None  # type: ignore[func-returns-value]


@pytest.mark.parametrize(
    "url",
    [
        "dynamodb:library", "dynamodb://", "dynamodb://ab", "dynamodb://a/b/c", "dynamodb://user:hunter2@library",
        "dynamodb://library?partitions=3", "dynamodb://library?partitions=512", "dynamodb://library?retry=-1",
        "dynamodb://library?endpoint=nonsense", "dynamodb://library?access_key_id=a", "dynamodb://library?colour=red",
        "dynamodb://library?secret_access_key=b", "dynamodb://library?connections=0", "dynamodb://library?region=",
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="dynamodb") as caught:
        configure_store(url)
    assert "hunter2" not in str(caught.value)


def test_keys_are_not_shown() -> None:
    url = "dynamodb://library?access_key_id=AKIA1&secret_access_key=hunter2&session_token=t0ken&region=us-east-1"
    for shown in (redact(url), repr(configure_store(url))):
        assert not any(secret in shown for secret in ("AKIA1", "hunter2", "t0ken"))
    assert "region=us-east-1" in redact(url)


def test_its_files_have_to_be_named() -> None:
    with pytest.raises(ConfigError, match="--files"):
        files_beside("dynamodb://library")


def test_a_missing_driver_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("stat7.stores.dynamodb"):
            raise ModuleNotFoundError("No module named 'boto3'", name="boto3")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"stat7\[dynamodb\]"):
        open_store("dynamodb://library")
