"""The audit log: what it can't take is counted and told, and no request fails for it."""

from __future__ import annotations

import json
import logging
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from stat7.errors import ConfigError
from stat7.gateway.audit import Audit
from stat7.gateway.exchange import Exchange
from stat7.gateway.settings import Limits
from stat7.testing.servers import Gateway
from tests.gateway.conftest import document

FULL = Path("/dev/full")


class Asked:
    """Scope and headers of a request, as far as one that is over is noted."""

    method = "GET"
    path = "/"
    headers: dict[str, str] = {}  # noqa: RUF012


def noted(audit: Audit, number: int = 1) -> None:
    """Note one request."""
    asked = Asked()
    audit.note(Exchange(asked, None, f"request-{number}", Limits()), 0.5)  # type: ignore[arg-type]


def test_a_line_is_there_at_once_and_behind_those_of_earlier_runs(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    for number in (1, 2):
        audit = Audit(log)
        noted(audit, number)
        assert [json.loads(line)["request"] for line in log.read_text().splitlines()][-1] == f"request-{number}"
        audit.close()
    assert len(log.read_text().splitlines()) == 2


def test_standard_error_is_where_it_goes_unless_told_otherwise(capsys: pytest.CaptureFixture[str]) -> None:
    audit = Audit()
    noted(audit)
    audit.close()
    assert json.loads(capsys.readouterr().err)["request"] == "request-1"


def test_a_log_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the audit log .*: .*choose another place by --audit"):
        Audit(tmp_path / "absent" / "audit.log")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_lines_that_are_lost_are_counted_and_told_once_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lost: list[int] = []
    audit = Audit(FULL, on_loss=lambda: lost.append(1))
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with caplog.at_level(logging.ERROR, "stat7.gateway"):
        for number in range(3):
            noted(audit, number)
        now += 61
        noted(audit)
    audit.close()
    assert len(lost) == 4
    assert [each.getMessage() for each in caplog.records] == [
        f"the audit log {FULL}: No space left on device; {count} lines were lost so far" for count in (1, 4)
    ]


@pytest.mark.skipif(sys.platform != "linux", reason="files are limited in size by Linux' own means")
def test_a_line_that_found_half_the_room_spoils_no_other(tmp_path: Path) -> None:
    import resource

    log, lost = tmp_path / "audit.log", list[int]()
    audit = Audit(log, on_loss=lambda: lost.append(1))
    noted(audit, 1)
    line = log.stat().st_size
    # Beyond what anything else in this process writes: holes take no room.
    begin = 256 * 1024 * 1024
    with log.open("ab") as file:
        file.truncate(begin)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (begin + line + line // 2, before[1]))
    try:
        for number in (2, 3, 4):
            noted(audit, number)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    noted(audit, 5)
    audit.close()
    with log.open("rb") as file:
        file.seek(begin)
        second, half, fifth = file.read().splitlines()
    assert [json.loads(each)["request"] for each in (second, fifth)] == ["request-2", "request-5"]
    assert len(half) == line // 2
    assert len(lost) == 2


def lost_by(server: Gateway) -> float:
    """What the metrics tell of lines that were lost."""
    text = httpx.get(server.metrics_url, timeout=30).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return next(sample.value for sample in samples if sample.name == "stat7_audit_lost_total")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_on_a_full_disk_requests_go_on_and_the_metrics_tell_what_was_lost(
    start_server: Callable[[Gateway], Gateway],
) -> None:
    server = start_server(Gateway("--audit", str(FULL)))
    assert lost_by(server) == 0
    with httpx.Client(base_url=server.url, headers={"X-API-Key": server.keys["all"]}, timeout=30) as client:
        for number in range(5):
            assert client.post("/entities", json=document(f"full/{number}")).status_code == 201
    until = time.monotonic() + 60
    while lost_by(server) < 5:
        assert time.monotonic() < until
        time.sleep(0.02)
    log = server.log.read_text()
    assert "Traceback" not in log
    assert log.count("the audit log") == 1
