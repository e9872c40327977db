"""serve."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

from stat7.cli.config import find_extras, find_places, repository_options
from stat7.cli.output import note
from stat7.errors import ConfigError
from stat7.gateway.settings import LIMITS, RATES, Limit, Limits, Rate, Settings, read_size

_RATE = re.compile(r"([a-z]+)=([0-9]{1,12}(?:\.[0-9]{1,6})?)/s(?::([0-9]{1,12}))?")
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)

_LEAST_BODY: Final = 1024

_BY_OPTION: Final = {"body": "max_body", "file": "max_file", "idle": "idle", "requests": "max_requests"}
"""Limits that have an option of their own."""

_OTHERS: Final = {name: limit for name, limit in LIMITS.items() if name not in _BY_OPTION}


Convert = Callable[[Any], Any]


def _each(convert: Convert) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """For an option's value, or each of its values; the ValueError of `convert` becomes one that names the option."""

    def converted(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        try:
            if isinstance(value, tuple):
                return tuple(convert(each) for each in value)
            return None if value is None else convert(value)
        except ValueError as error:
            raise click.BadParameter(f"{error}.", ctx, param) from None

    return converted


def _finite(value: float) -> float:
    """Every comparison with nan is false, so that no range refuses it."""
    if not math.isfinite(value):
        raise ValueError(f"{value} is not a finite number")
    return value


def _body(text: str) -> int:
    size = read_size(text)
    if size < _LEAST_BODY:
        raise ValueError(f"{text} is less than {_LEAST_BODY} bytes")
    return size


def _limit(text: str) -> tuple[str, int | float]:
    name, equals, value = text.partition("=")
    if name in _BY_OPTION:
        raise ValueError(f"{name} has an option of its own, --{_BY_OPTION[name].replace('_', '-')}")
    if name not in _OTHERS or not equals:
        raise ValueError(f"{text!r} is not NAME=VALUE, where NAME is one of {', '.join(_OTHERS)}")
    try:
        return name, _OTHERS[name].read(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _complete_limit(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names, each with what it bounds."""
    found = [limit for name, limit in _OTHERS.items() if f"{name}=".startswith(incomplete)]
    return [CompletionItem(f"{limit.name}=", help=_told(limit)) for limit in found]


def _told(limit: Limit) -> str:
    return f"{limit.told} ({limit.shown})"


_LISTED: Final = "\n".join(
    ["\b", "Limits, by --limit NAME=VALUE; sizes are bytes, or such as 64MiB:",
     *(f"  {name:<13} {_told(limit)}" for name, limit in _OTHERS.items())]
)  # fmt: skip


@click.command(epilog=_LISTED)
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
@click.option("--scrub", default=0.0, type=click.FloatRange(0, 3650), callback=_each(_finite), metavar="DAYS",
              help="Hash everything again this often, in the background.")  # fmt: skip
@click.option("--tls-cert", type=_FILE, metavar="FILE", help="Certificates, PEM; with --tls-key.")
@click.option("--tls-key", type=_FILE, metavar="FILE", help="The certificate's private key, PEM.")
@click.option(
    "--max-body", default=None, callback=_each(_body), metavar="SIZE", help="Largest JSON or NDJSON body (256MiB)."
)
@click.option(
    "--max-file", default=None, callback=_each(read_size), metavar="SIZE", help="Largest file that is taken (64GiB)."
)
@click.option("--idle", default=None, type=click.FloatRange(0.1, 3600), callback=_each(_finite), metavar="SECONDS",
              help="Longest silence within a request (20).")  # fmt: skip
@click.option("--max-requests", default=None, type=click.IntRange(1), metavar="N", help="Most requests at once (512).")
@click.option("--limit", "limits", multiple=True, callback=_each(_limit), shell_complete=_complete_limit,
              metavar="NAME=VALUE", help="Another limit; see below.")  # fmt: skip
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
    from stat7.gateway.listening import Place
    from stat7.gateway.serving import METRICS_PORT, PORT, Deployment
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


def _settings(given: dict[str, Any]) -> Settings:
    chosen = {name: given[option] for name, option in _BY_OPTION.items() if given[option] is not None}
    return Settings(
        given["public_read"],
        frozenset(name.lower() for name in given["hosts"]) or None,
        given["cache_max_age"],
        replace(Limits(), **chosen, **dict(given["limits"])),
        _rates(given["rates"]),
        trusted=_networks(given["proxies"]),
    )


def _rates(texts: tuple[str, ...]) -> dict[str, Rate]:
    rates = dict(RATES)
    for text in texts:
        found = _RATE.fullmatch(text)
        if found is None or found[1] not in RATES or float(found[2]) <= 0:
            kinds = ", ".join(RATES)
            raise click.UsageError(
                f"--rate {text}: write KIND=N/s or KIND=N/s:BURST, where N is above 0 and KIND is one of {kinds}"
            )
        burst = float(found[3]) if found[3] else max(1.0, 2 * float(found[2]))
        if burst < 1:
            raise click.UsageError(f"--rate {text}: with a burst below 1 no request would ever be taken")
        rates[found[1]] = Rate(float(found[2]), burst)
    return rates


def _networks(texts: tuple[str, ...]) -> tuple[Any, ...]:
    try:
        return tuple(ipaddress.ip_network(text) for text in texts)
    except ValueError as error:
        raise click.UsageError(f"--trust-proxy: {error}; write an address or a network such as 10.0.0.0/8") from None
