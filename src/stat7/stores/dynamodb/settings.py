"""What can be set of a DynamoDB store."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Settings:
    """Which table it is and how it is used. Their limits are checked where a URL is read, in registry/dynamodb.py.

    `table`: its name. `region`, `endpoint`, `profile` and the keys: what isn't given is as boto3 finds it (AWS_REGION,
    AWS_ACCESS_KEY_ID, ~/.aws, the machine's role, …). `timeout`: seconds that one answer may take; `connect_timeout`:
    the same for a new connection; `retry`: seconds for which a call is repeated that the service refuses because it is
    busy, or that doesn't reach it. `connections`: most requests at once. `partitions`: in how many parts, a power of
    two up to 256, a table keeps its documents and heads; counts when the table is made, and never changes.
    """

    table: str
    region: str | None = None
    endpoint: str | None = None
    profile: str | None = None
    access_key_id: str | None = field(default=None, repr=False)
    secret_access_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    timeout: float = 10.0
    connect_timeout: float = 3.0
    retry: float = 20.0
    connections: int = 16
    partitions: int = 64

    def where(self) -> str:
        """The table and its place, for messages."""
        place = self.endpoint or self.region
        return f"{self.table} at {place}" if place else self.table
