"""What `doctor` asks of a gateway: whether it and its parts answer, how soon, and what the key may do."""

from __future__ import annotations

from stat7.contracts import Check
from stat7.remote import answers
from stat7.remote.about import about
from stat7.remote.connection import Connection
from stat7.stores.base import Capabilities
from stat7.stores.latency import check_latency


def diagnose(connection: Connection, capabilities: Capabilities) -> list[Check]:
    """One Check for each thing that can be wrong with a gateway or the way there."""
    return [
        _gateway(connection),
        *_parts(connection),
        _durability(capabilities),
        _secrecy(connection),
        check_latency(lambda: connection.ask("GET", "/healthz"), "nearer to the gateway"),
    ]


def _gateway(connection: Connection) -> Check:
    url = connection.url
    health = answers.members(connection.fetch("GET", "/healthz"), url)
    told = about(connection)
    who = f"the key {told.name} may {', '.join(told.scopes)}" if told.name else f"strangers may {told.scopes[0]}"
    return Check("gateway", "ok", f"{url}, stat7 {answers.text(health.get('version'), url)}; {who}")


def _parts(connection: Connection) -> list[Check]:
    url = connection.url
    given = answers.members(connection.fetch("GET", "/readyz", accept=(503,)), url)
    status, checks = answers.text(given.get("status"), url), list[Check]()
    if status != "ready":
        checks.append(Check("gateway", "fail", f"{url} is {status}; its log and /readyz tell why"))
    for name, part in answers.members(given.get("parts"), url).items():
        told = answers.members(part, url)
        if not answers.flag(told.get("ok"), url):
            problem = answers.text(told.get("problem"), url)
            checks.append(Check(f"gateway's {name}", "fail", f"{problem}; see the gateway's log"))
    return checks


def _durability(capabilities: Capabilities) -> Check:
    if capabilities.durable:
        return Check("store", "ok", f"{capabilities.name}: what is acknowledged survives a power cut")
    return Check("store", "warn", f"{capabilities.name}: what is acknowledged may be lost where the gateway runs")


def _secrecy(connection: Connection) -> Check:
    settings = connection.settings
    if settings.url.startswith("https:") or settings.loopback:
        return Check("encryption", "ok", "nobody on the way can read it")
    return Check("encryption", "warn", "anybody on the way can read it, the key too; serve it by https:")
