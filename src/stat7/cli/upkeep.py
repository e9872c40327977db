"""verify, withdraw, gc, stats, doctor: looking after a repository."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import click

from stat7.cli.app import BAD_INPUT, CORRUPT
from stat7.cli.config import find_extras, find_places, open_pair, open_places, open_repository, repository_options
from stat7.cli.output import indented, note, plain, print_json, print_table, progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stat7.files.base import StoredFile
    from stat7.record import Notice
    from stat7.stores.base import Finding

_UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


@click.command()
@click.option("--repair", is_flag=True, help="Make index rows anew from the documents that are here.")
@click.option(
    "--repair-from", metavar="STORE[,FILES]", help="Also replace what is damaged or missing by good bytes from here."
)
@click.option("--json", "as_json", is_flag=True, help="One finding a line, then one JSON object of counts.")
@repository_options
def verify(repair: bool, repair_from: str | None, as_json: bool, store: str | None, files: str | None) -> None:
    """Hash every document and file again; check heads, and index rows against documents. Damage: exit 5.

    \b
    Examples:
      stat7 verify
      stat7 verify --repair
      stat7 verify --repair-from sqlite:backup.db
    """
    from contextlib import nullcontext

    from stat7.operations.verify import verify as verify_all

    def on_finding(finding: Finding, repaired: bool) -> None:
        if as_json:
            print_json({**finding._asdict(), "repaired": repaired})
        else:
            mark = " (repaired)" if repaired else ""
            click.echo(f"{finding.kind}: {plain(finding.subject)}: {plain(finding.detail)}{mark}")

    replica = open_pair(repair_from) if repair_from else nullcontext()
    with open_repository(store, files) as repo, replica as source, progress() as report:
        result = verify_all(repo, repair=repair, repair_from=source, on_finding=on_finding, report=report)
    if as_json:
        print_json(result.as_dict())
    else:
        click.echo(", ".join(f"{value:,} {name}" for name, value in result.as_dict().items()))
    if not result.ok:
        note(f"stat7: damaged; {_remedy(repair, repair_from)}")
        click.get_current_context().exit(CORRUPT)


def _remedy(repair: bool, repair_from: str | None) -> str:
    """What to do about findings that are left."""
    if repair_from:
        return "what is left can't be mended in place: `stat7 copy` both stores to a new one, and use that"
    if repair:
        return "what is left needs a good copy: `stat7 verify --repair-from STORE`"
    return "`stat7 verify --repair` makes index rows anew, `--repair-from STORE` replaces the rest from a good copy"


@click.command()
@click.argument("addresses", nargs=-1)
@click.option("--id", "id", metavar="ID", help="With --all-versions: every version of this id.")
@click.option("--all-versions", is_flag=True, help="Goes with --id.")
@click.option("--file", "sha256s", multiple=True, metavar="SHA256", help="Withdraw file bytes; may be repeated.")
@click.option("--case", required=True, help="The case number that the receipt names.")
@click.option("--reason", required=True, help="Why, in a few words; shown to whoever asks for it.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--json", "as_json", is_flag=True, help="One notice a line.")
@repository_options
def withdraw(
    addresses: tuple[str, ...],
    id: str | None,
    all_versions: bool,
    sha256s: tuple[str, ...],
    case: str,
    reason: str,
    yes: bool,
    as_json: bool,
    store: str | None,
    files: str | None,
) -> None:
    """Erase documents (or file bytes) for good. A notice stays; putting the same bytes again is refused everywhere.

    \b
    Examples:
      stat7 withdraw 9aac8f04… --case 2026-17 --reason "personal data"
      stat7 withdraw --id hero/ada --all-versions --case 2026-17 --reason "personal data"
      stat7 withdraw --file 2cf24dba… --case 2026-18 --reason copyright
      stat7 gc --compact                      erases what is left of it on the disk
    """
    from stat7.address import parse_address

    if not (addresses or id or sha256s):
        raise click.UsageError("name what to withdraw: ADDRESS…, --id ID --all-versions, or --file SHA256")
    if bool(id) != all_versions:
        raise click.UsageError("--id and --all-versions go together; one version is withdrawn by its ADDRESS")
    wanted = [parse_address(address) for address in addresses]
    names = [parse_address(sha256) for sha256 in sha256s]
    if not yes and sys.stdin.isatty():
        click.confirm("This can't be undone. Withdraw?", abort=True, err=True)
    notices: list[Notice] = []
    with open_repository(store, files) as repo:
        if id:
            notices += repo.withdraw_versions(id, case=case, reason=reason)
        if wanted:
            notices += repo.withdraw(wanted, case=case, reason=reason)
        if names:
            notices += repo.withdraw_files(names, case=case, reason=reason)
    for notice in notices:
        if as_json:
            print_json(notice._asdict())
        else:
            click.echo(f"withdrawn {notice.address} at {notice.withdrawn_at} (case {plain(notice.case)})")


@click.command()
@click.option(
    "--grace", default="7d", show_default=True, metavar="TIME", help="Spare files younger than this: 90m, 36h, 7d."
)
@click.option("--dry-run", is_flag=True, help="Only list what would be deleted.")
@click.option("--compact", is_flag=True, help="Give freed space back to the disk, withdrawn bytes included.")
@click.option("--offline", is_flag=True, help="Nothing else writes now: allow a grace under two days.")
@click.option("--json", "as_json", is_flag=True, help="End with one JSON object of counts.")
@repository_options
def gc(
    grace: str, dry_run: bool, compact: bool, offline: bool, as_json: bool, store: str | None, files: str | None
) -> None:
    """Delete files that no stored document names and that are older than the grace.

    \b
    Examples:
      stat7 gc --dry-run
      stat7 gc --grace 7d --compact
    """
    from stat7.operations.gc import collect

    def on_file(file: StoredFile) -> None:
        if not as_json:
            click.echo(f"{'would delete' if dry_run else 'deleted'} {file.sha256} ({file.size:,} bytes)")

    with open_repository(store, files) as repo, progress() as report:
        result = collect(
            repo,
            grace_ms=parse_duration(grace),
            dry_run=dry_run,
            offline=offline,
            compact=compact,
            on_file=on_file,
            report=report,
        )
    if as_json:
        print_json(result.as_dict())
    else:
        click.echo(", ".join(f"{value:,} {name.replace('_', ' ')}" for name, value in result.as_dict().items()))


def parse_duration(text: str) -> int:
    """`90m`, `36h`, `7d`, `2w` or `30s` in milliseconds; anything else is a usage error."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smhdw])", text.strip())
    if found is None:
        raise click.UsageError(f"--grace {plain(text[:80])}: write a number and s, m, h, d or w, e.g. 7d")
    return round(float(found[1]) * _UNITS[found[2]])


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As one JSON object.")
@repository_options
def stats(as_json: bool, store: str | None, files: str | None) -> None:
    """Count what is stored, and what it takes.

    \b
    Example:
      stat7 stats --json | jq .entities
    """
    from stat7.operations.stats import stats as count

    places, extras = find_places(store, files), find_extras(store)
    with open_places(places, extras) as repo:
        counts = {"repository": places.shown() | extras.shown(), **count(repo)}
    if as_json:
        print_json(counts)
        return
    print_table(("what", "value"), _rows(counts), right=("value",), wrapped=("value",))


def _rows(counts: dict[str, Any]) -> Iterator[tuple[str, object]]:
    """What people want to know of it: where it is says what kinds of stores it is in."""
    shown = {name: value for name, value in counts.items() if name not in ("repository", "kinds", "sampled")}
    for name, value in [*counts["repository"].items(), *_flat(shown)]:
        yield name.replace("_", " "), f"{value:,}" if isinstance(value, int) else value
    if counts["sampled"] < counts["entities"]:
        yield "realms and horizons estimated from", f"{counts['sampled']:,}"


def _flat(counts: dict[str, object], prefix: str = "") -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for name, value in counts.items():
        rows += _flat(value, f"{prefix}{name} ") if isinstance(value, dict) else [(prefix + name, value)]
    return rows


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One check a line.")
@repository_options
def doctor(as_json: bool, store: str | None, files: str | None) -> None:
    """Check this deployment: durable, indexed, reachable, up to date? Each line is ok, warn or fail (then exit 1).

    \b
    Example:
      stat7 doctor
    """
    from dataclasses import asdict

    from stat7.contracts import Check
    from stat7.operations.doctor import diagnose

    colours = {"ok": "green", "warn": "yellow", "fail": "red"}
    places, extras = find_places(store, files), find_extras(store)
    where = "store {store} ({store_from}), files {files} ({files_from})".format_map(places.shown())
    where += "".join(f", {name} {url}" for name, url in extras.shown().items())
    with open_places(places, extras) as repo:
        checks = [Check("repository", "ok", where), *diagnose(repo)]
    for check in checks:
        if as_json:
            print_json(asdict(check))
        else:
            status = click.style(f"{check.status:4}", fg=colours[check.status])
            click.echo(f"{status}  {indented(f'{check.name}: {plain(check.text)}', 6)}")
    if any(check.status == "fail" for check in checks):
        note("stat7: at least one check failed")
        click.get_current_context().exit(BAD_INPUT)
