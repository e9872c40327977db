"""From the parts of a URL to its file store; the client library of the scheme is imported here and no earlier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stat7.files.objects.storage import ObjectStorage, Target
from stat7.files.objects.store import ObjectFiles

_SECRETS = ("access_key_id", "secret_access_key", "account_key")
_OURS = ("connections", *_SECRETS)


def open_bucket(scheme: str, bucket: str, prefix: str, options: Mapping[str, Any]) -> ObjectFiles:
    """The files below `prefix` (empty, or ending in a slash) in a bucket of `s3`, `az` or `gs`.

    Options are those of stat7.registry, read; what isn't given is as the library finds it in the environment. Raises
    ConfigError, ModuleNotFoundError where the library is missing.
    """
    endpoint = options.get("endpoint")
    place = f"{scheme}://{bucket}/{prefix}".removesuffix("/") + (f" at {endpoint}" if endpoint else "")
    given = {name: value for name, value in options.items() if name not in _OURS}
    secrets = {name: options[name] for name in _SECRETS if name in options}
    target = Target(bucket, place, secrets=secrets, **given)
    return ObjectFiles(scheme, _storage(scheme, target), prefix, threads=int(options.get("connections", 16)))


def _storage(scheme: str, target: Target) -> ObjectStorage:
    if scheme == "gs":
        from stat7.files.objects.gcs import open_gcs

        return open_gcs(target)
    from stat7.files.objects.s3_azure import open_azure, open_s3

    return open_azure(target) if scheme == "az" else open_s3(target)
