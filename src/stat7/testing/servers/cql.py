"""One statement to one node of Cassandra, in version 4 of its protocol: enough to see whether it works."""

from __future__ import annotations

import socket
import struct

ONE, ALL = 0x0001, 0x0005
"""Consistency levels."""
_ERROR, _STARTUP, _READY, _QUERY, _RESULT = 0x00, 0x01, 0x02, 0x07, 0x08
_WARNED = 0x08
_ROWS = 2
_COMMON_TABLE = 1

Row = list[bytes | None]


class Refused(OSError):
    """The node answered with an error; the message is its own."""


class _Reader:
    """Reads the protocol's types one after another."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, code: str = "i") -> int:
        (value,) = struct.unpack_from(f">{code}", self._data, self._at)
        self._at += struct.calcsize(f">{code}")
        return int(value)

    def take(self, length: int) -> bytes:
        self._at += length
        return self._data[self._at - length : self._at]

    def text(self) -> str:
        return self.take(self.number("H")).decode("utf-8", "replace")

    def cell(self) -> bytes | None:
        length = self.number()
        return None if length < 0 else self.take(length)


def query(address: tuple[str, int], statement: str, consistency: int = ONE, timeout: float = 20.0) -> list[Row]:
    """The rows of a statement's result, cells as the protocol's bytes; none for a statement that has no rows.

    Columns may not be collections or other composed types. Refused if the node answers with an error, OSError if it
    does not answer in time.
    """
    text = statement.encode()
    with socket.create_connection(address, timeout=timeout) as connection:
        _call(connection, _STARTUP, b"\0\1" + _string(b"CQL_VERSION") + _string(b"3.0.0"), _READY)
        order = struct.pack(">i", len(text)) + text + struct.pack(">HB", consistency, 0)
        return _rows(_call(connection, _QUERY, order, _RESULT))


def _string(text: bytes) -> bytes:
    return struct.pack(">H", len(text)) + text


def _call(connection: socket.socket, opcode: int, body: bytes, expected: int) -> _Reader:
    connection.sendall(struct.pack(">BBhBi", 4, 0, 0, opcode, len(body)) + body)
    _, flags, _, kind, length = struct.unpack(">BBhBi", _receive(connection, 9))
    answer = _Reader(_receive(connection, length))
    # Warnings come first, a list of texts.
    for _ in range(answer.number("H") if flags & _WARNED else 0):
        answer.text()
    if kind == _ERROR:
        raise Refused(f"error 0x{answer.number():04x}: {answer.text()}")
    if kind != expected:
        raise Refused(f"an answer of kind 0x{kind:02x} where 0x{expected:02x} is due")
    return answer


def _receive(connection: socket.socket, length: int) -> bytes:
    received = bytearray()
    while len(received) < length:
        part = connection.recv(length - len(received))
        if not part:
            raise ConnectionError("the node closed the connection")
        received += part
    return bytes(received)


def _rows(reader: _Reader) -> list[Row]:
    if reader.number() != _ROWS:
        return []
    flags, columns = reader.number(), reader.number()
    common = bool(flags & _COMMON_TABLE)
    for _ in range(2 if common else 0):
        reader.text()
    for _ in range(columns):
        # Keyspace and table where they are not the same for all, the name, the type.
        for _ in range(1 if common else 3):
            reader.text()
        reader.number("H")
    return [[reader.cell() for _ in range(columns)] for _ in range(reader.number())]
