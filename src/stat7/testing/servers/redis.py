"""Redis for tests: in memory, nothing saved unless asked for."""

from __future__ import annotations

from collections.abc import Mapping

from stat7.testing.servers.base import HOST, Server, ServerFailed, exchange
from stat7.testing.servers.programs import REDIS


class Redis(Server):
    """A Redis server.

    `options` are settings of redis.conf, {"maxmemory": "8mb", "maxmemory-policy": "allkeys-lru"} say; `password` is
    asked of clients unless empty.
    """

    program = REDIS

    def __init__(self, options: Mapping[str, str] | None = None, password: str = "") -> None:
        super().__init__()
        self.options = {"save": '""', "appendonly": "no", **(options or {})}
        """What each start sets; a change holds from the next start."""
        self.password = password
        """What clients must give; empty for none."""

    @property
    def url(self) -> str:
        """The connection URL, password included."""
        secret = f":{self.password}@" if self.password else ""
        return f"redis://{secret}{HOST}:{self.port}/0"

    def flush(self) -> None:
        """Forget every key."""
        answer = self._ask("FLUSHALL")
        if not answer.startswith(b"+OK"):
            raise ServerFailed(f"Redis did not forget its keys: {answer!r}")

    def _command(self) -> list[str]:
        settings = {**self.options, "bind": HOST, "port": str(self.port), "dir": f'"{self.folder.as_posix()}"'}
        if self.password:
            settings["requirepass"] = f'"{self.password}"'
        # In a file, where the list of processes does not show the password.
        file = self.folder / "redis.conf"
        file.touch(mode=0o600)
        file.write_text("".join(f"{name} {value}\n" for name, value in settings.items()), "utf-8")
        return [str(self.program.path()), str(file)]

    def _answers(self) -> bool:
        return b"process_id:%d\r\n" % self.pid in self._ask("INFO server")

    def _ask(self, command: str) -> bytes:
        """The server's answer to one command."""
        login = f'AUTH "{self.password}"\r\n' if self.password else ""
        answer = exchange(self.address, f"{login}{command}\r\nQUIT\r\n".encode())
        return answer.partition(b"\r\n")[2] if login else answer
