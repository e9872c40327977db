"""A client with every right, and documents to put."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from stat7.testing.servers import Gateway


def document(id: str, **changes: Any) -> dict[str, Any]:
    """A small valid document."""
    numbers = {"lineage": 1, "resonance": 0.5, "velocity": 0, "density": 0.5}
    coordinates = {"realm": "data", "adjacency": [], "horizon": "peak", **numbers}
    rest: dict[str, Any] = {"created_at": None, "coordinates": coordinates, "state": {}, "files": [], "previous": None}
    return {"stat7": 1, "id": id, "entity_type": "thing", **rest, **changes}


@pytest.fixture
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    """Asks the gateway with a key that may do everything."""
    headers = {"Authorization": f"Bearer {gateway.keys['all']}"}
    with httpx.Client(base_url=gateway.url, headers=headers, timeout=30) as made:
        yield made
