"""A store behind a gateway: what `https://host:7007` names. See stat7.remote for the way there."""

from stat7.stores.http.store import HttpStore

__all__ = ["HttpStore"]
