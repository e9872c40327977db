"""The plainest ASGI application on the gateway's own server: documents from a dict, or empty 304s. Not a benchmark.

Usage: python _bare_asgi.py PORT FILE [304]     FILE: one `ADDRESS DOCUMENT` a line
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from granian.constants import Interfaces
from granian.server.embed import Server

HEADERS = [(b"content-type", b"application/json")]


def application(documents: dict[str, bytes], status: int) -> Any:
    """What answers."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            body = documents[scope["path"]] if status == 200 else b""
            headers = [*HEADERS, (b"content-length", b"%d" % len(body))] if body else HEADERS
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    return answer


def main() -> None:
    """Serve until killed."""
    lines = (line.partition(b" ") for line in Path(sys.argv[2]).read_bytes().splitlines())
    documents = {f"/entities/{address.decode()}": document for address, _, document in lines}
    answer = application(documents, 304 if "304" in sys.argv[3:] else 200)
    server = Server(answer, address="127.0.0.1", port=int(sys.argv[1]), interface=Interfaces.ASGI, backlog=1024,
                    backpressure=4096, websockets=False, log_enabled=False)  # fmt: skip
    asyncio.run(server.serve())


if __name__ == "__main__":
    main()
