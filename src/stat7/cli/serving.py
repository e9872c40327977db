"""serve."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from stat7.cli.config import find_extras, find_places, repository_options
from stat7.cli.output import note
from stat7.errors import ConfigError

_RATE = re.compile(r"(read|find|write|bulk|admin)=([0-9]+(?:\.[0-9]+)?)/s(?::([0-9]+))?")
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.option("--bind", default="127.0.0.1", metavar="HOST[:PORT]", help="Where to listen (127.0.0.1:7007).")
@click.option("--public-read", is_flag=True, help="Let everybody read without a key.")
@click.option("--keys", default="", metavar="URL", help="A store whose keys count, instead of the store's own.")
@click.option(
    "--shared-limits", default="", metavar="URL", help="A Redis in which several gateways count rates together."
)
@click.option("--rate", "rates", multiple=True, metavar="KIND=N/s[:BURST]", help="Requests a second for each key.")
@click.option("--cache-max-age", default=60, type=click.IntRange(0, 31_536_000), metavar="SECONDS",
              help="How long clients may keep what they got (60); a withdrawal reaches them that late.")  # fmt: skip
@click.option("--host", "hosts", multiple=True, metavar="NAME", help="Another name it may be called by on loopback.")
@click.option("--trust-proxy", "proxies", multiple=True, metavar="CIDR", help="A proxy whose X-Forwarded-For counts.")
@click.option("--audit", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Where the audit log goes (standard error).")  # fmt: skip
@click.option("--audit-reads", is_flag=True, help="Note reads in the audit log, too.")
@click.option("--metrics", "metrics", default="127.0.0.1:7008", metavar="HOST:PORT|off", help="Where Prometheus asks.")
@click.option("--scrub", default=0.0, type=click.FloatRange(0, 3650), metavar="DAYS",
              help="Hash everything again this often, in the background.")  # fmt: skip
@click.option("--tls-cert", type=_FILE, metavar="FILE", help="Certificates, PEM; with --tls-key.")
@click.option("--tls-key", type=_FILE, metavar="FILE", help="The certificate's private key, PEM.")
@click.option(
    "--max-body", default=None, type=click.IntRange(1024), metavar="BYTES", help="Largest JSON or NDJSON body."
)
@click.option("--max-file", default=None, type=click.IntRange(1), metavar="BYTES", help="Largest file that is taken.")
@click.option("--idle", default=None, type=click.FloatRange(0.1, 3600), metavar="SECONDS",
              help="Longest silence within a request (20).")  # fmt: skip
@click.option("--max-requests", default=None, type=click.IntRange(1), metavar="N", help="Most requests at once (512).")
@repository_options
def serve(store: str | None, files: str | None, **given: Any) -> None:
    """Serve the store over HTTP, with an explorer to look at, until Ctrl-C.

    Without options it serves the default store on this machine alone: reading is open, writing needs a key. Anywhere
    else it wants keys, or --public-read. docs/gateway.md has the routes, limits and a deployment to start from.

    \b
    Examples:
      stat7 serve
      stat7 serve --bind 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem
      stat7 serve --store postgresql://ada@db/library --files s3://library-files/main --cache redis://cache:6379/0
    """
    if find_spec("granian") is None or find_spec("prometheus_client") is None:
        raise ConfigError('serving needs more packages: pip install "stat7[gateway]"')
    from stat7.gateway.serving import METRICS_PORT, PORT, Deployment, Place
    from stat7.gateway.serving import serve as run

    places, extras = find_places(store, files), find_extras(store)
    if bool(given["tls_cert"]) != bool(given["tls_key"]):
        raise click.UsageError("--tls-cert and --tls-key go together")
    deployment = Deployment(
        places.store,
        places.files,
        extras.cache or None,
        extras.replica or None,
        Place.read(given["bind"], PORT),
        None if given["metrics"] == "off" else Place.read(given["metrics"], METRICS_PORT),
        _settings(given),
        given["keys"],
        given["shared_limits"],
        given["audit"],
        given["audit_reads"],
        given["scrub"],
        (given["tls_cert"], given["tls_key"]) if given["tls_cert"] else None,
    )
    run(deployment, note)


def _settings(given: dict[str, Any]) -> Any:
    from stat7.gateway.settings import RATES, Limits, Rate, Settings

    rates = dict(RATES)
    for text in given["rates"]:
        found = _RATE.fullmatch(text)
        if found is None or float(found[2]) <= 0:
            kinds = ", ".join(RATES)
            raise click.UsageError(f"--rate {text}: write KIND=N/s or KIND=N/s:BURST, where KIND is one of {kinds}")
        rates[found[1]] = Rate(float(found[2]), float(found[3] or max(1.0, 2 * float(found[2]))))
    limits = Limits()
    if given["max_body"]:
        limits = replace(limits, body=given["max_body"])
    if given["max_file"]:
        limits = replace(limits, file=given["max_file"])
    if given["idle"]:
        limits = replace(limits, idle=given["idle"])
    if given["max_requests"]:
        limits = replace(limits, requests=given["max_requests"])
    hosts = frozenset(name.lower() for name in given["hosts"]) or None
    return Settings(
        given["public_read"], hosts, given["cache_max_age"], limits, rates, trusted=_networks(given["proxies"])
    )


def _networks(texts: tuple[str, ...]) -> tuple[Any, ...]:
    try:
        return tuple(ipaddress.ip_network(text) for text in texts)
    except ValueError as error:
        raise click.UsageError(f"--trust-proxy: {error}; write an address or a network such as 10.0.0.0/8") from None
