"""The gateway's pages: fetched once by each browser, and checked by their tag from then on."""

from __future__ import annotations

from hashlib import sha256

import httpx
import pytest

from stat7.testing.servers import Gateway


@pytest.mark.parametrize("path", ["/", "/docs", "/explorer/main.js", "/explorer/base.css", "/explorer/icon.svg"])
def test_a_page_that_is_known_is_not_sent_again(gateway: Gateway, path: str) -> None:
    with httpx.Client(base_url=gateway.url, timeout=60) as client:
        whole = client.get(path)
        tag = whole.headers["etag"]
        assert (whole.status_code, tag) == (200, f'"{sha256(whole.content).hexdigest()}"')
        for asked in (tag, f'"x", {tag}', f"W/{tag}", "*"):
            for method in ("GET", "HEAD"):
                known = client.request(method, path, headers={"If-None-Match": asked})
                assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", tag)
                for name in ("cache-control", "content-security-policy"):
                    assert known.headers[name] == whole.headers[name]
        other = client.get(path, headers={"If-None-Match": '"x"'})
        assert (other.status_code, other.content) == (200, whole.content)


def test_what_is_no_page_is_not_there(gateway: Gateway) -> None:
    assert httpx.get(f"{gateway.url}/explorer/none.js", headers={"If-None-Match": "*"}, timeout=60).status_code == 404
