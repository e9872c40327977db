"""The description of the interface says what is so: every route, and what schemathesis makes of it."""

from __future__ import annotations

from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from stat7.gateway.openapi import describe
from stat7.gateway.routes import ROUTES
from stat7.testing.servers import Gateway

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@schemathesis.serializer("application/x-ndjson")
def ndjson(context: Any, value: Any) -> bytes:
    """Lines of whatever is generated for them."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


schema = schemathesis.openapi.from_dict(describe(ROUTES))


def test_every_route_is_described_with_its_scope(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    for route in ROUTES:
        assert paths[route.path][route.method.lower()]["x-scope"] == route.scope


@schema.parametrize()
@settings(max_examples=15, suppress_health_check=list(HealthCheck), deadline=None)
def test_whatever_is_asked_is_answered_as_described(case: schemathesis.Case[Any], gateway: Gateway) -> None:
    headers = {"Authorization": f"Bearer {gateway.keys['all']}"}
    answer = case.call(base_url=gateway.url, headers=headers)
    case.validate_response(answer, checks=CHECKS)
