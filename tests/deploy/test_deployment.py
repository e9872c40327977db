"""The files of deploy/ agree with one another, with the gateway's metrics and options, and with docs/monitoring.md."""

from __future__ import annotations

import configparser
import json
import re
import subprocess
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import click
import pytest

import stat7
from stat7.cli.serving import serve
from stat7.gateway.access import Access, KeyRing
from stat7.gateway.app import Gateway
from stat7.gateway.audit import Audit
from stat7.gateway.monitor import Monitor
from stat7.gateway.settings import LIMITS, Settings
from stat7.metrics import Metrics
from stat7.testing.required import need
from stat7.testing.servers import programs
from tests.deploy.deployment import DASHBOARD, DEPLOY, RULES, alerts, load, metrics_named, queries, scaled
from tests.test_docs import commands, fault

COMPOSE = load(DEPLOY / "compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCUMENT = DEPLOY.parent / "docs" / "monitoring.md"


@pytest.fixture(scope="module")
def exposed() -> set[str]:
    """The names of all samples that a gateway exposes at its first scrape, and of their families."""
    metrics, monitor = Metrics(), Monitor()
    with stat7.open("memory:", metrics=metrics) as repository:
        access = Access(KeyRing(repository.store))
        monitor.watch_calls(metrics, repository)
        gateway = Gateway(repository, access, Settings(), monitor, Audit(), folders={"store": DEPLOY})
        text = monitor.text().decode("utf-8")
        gateway.close()
    families = re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)
    return {*families, *re.findall(r"^(\w+)[ {]", text, re.MULTILINE)}


def texts() -> Iterator[tuple[Path, str]]:
    """The files of deploy/, and the document that explains them."""
    for path in [*sorted(DEPLOY.rglob("*")), DOCUMENT]:
        if path.is_file():
            yield path, path.read_text("utf-8")


@pytest.mark.parametrize(
    ("path", "text"), list(texts()), ids=lambda value: value.name if isinstance(value, Path) else ""
)
def test_every_metric_named_is_exposed_from_the_first_scrape_on(path: Path, text: str, exposed: set[str]) -> None:
    assert metrics_named(text) <= exposed


def test_a_metric_that_is_not_exposed_would_be_noticed(exposed: set[str]) -> None:
    assert metrics_named('rate(stat7_http_requests_total{job="stat7"}[5m]) > stat7_keys') - exposed == {
        "stat7_http_requests_total"
    }


def test_the_document_lists_every_metric_and_every_alert(exposed: set[str]) -> None:
    text = DOCUMENT.read_text("utf-8")
    families = {name for name in exposed if name.startswith("stat7_") and not re.search(r"_(bucket|sum|count)$", name)}
    listed = set(re.findall(r"^\| `(stat7_[a-z_]+)`", text, re.MULTILINE))
    assert families == listed
    assert set(re.findall(r"^### (Stat7\w+)", text, re.MULTILINE)) == set(alerts())
    for name, alert in alerts().items():
        assert alert["annotations"]["runbook"] == f"docs/monitoring.md#{name.lower()}"


def test_the_document_on_the_gateway_says_by_what_each_limit_is_set() -> None:
    text = DOCUMENT.with_name("gateway.md").read_text("utf-8")
    table = text.partition("| set by |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`([^`]+)`", table))
    options = {"--max-body": "body", "--max-file": "file", "--idle": "idle", "--max-requests": "requests"}
    assert {options.get(name, name) for name in named} - {"--rate read=500/s:1000"} == set(LIMITS)


def test_every_alert_has_a_severity_that_is_routed() -> None:
    route = load(DEPLOY / "alertmanager" / "alertmanager.yml")["route"]
    assert route["routes"][0]["matchers"] == ["severity = critical"]
    assert {alert["labels"]["severity"] for alert in alerts().values()} == {"critical", "warning"}


def test_every_alert_named_in_an_inhibition_exists() -> None:
    config = load(DEPLOY / "alertmanager" / "alertmanager.yml")
    known = set(alerts())
    for rule in config["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            _, sign, pattern = matcher.partition("=~") if "=~" in matcher else re.split(r"(!?=)", matcher)
            expression = pattern.strip().strip('"')
            matching = {name for name in known if re.fullmatch(expression, name)}
            assert len(matching) > expression.count("|"), f"{matcher} {sign}"


def test_every_alert_is_tried_firing_and_not_firing() -> None:
    tried: dict[str, set[bool]] = {}
    for test in load(DEPLOY / "prometheus" / "rules_test.yml")["tests"]:
        for case in test["alert_rule_test"]:
            tried.setdefault(case["alertname"], set()).add(bool(case["exp_alerts"]))
    assert tried == {name: {True, False} for name in alerts()}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "config", "prometheus/prometheus.yml"], "is valid prometheus config"),
        (["check", "rules", "prometheus/rules.yml"], "rules found"),
        (["test", "rules", "prometheus/rules_test.yml"], "SUCCESS"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_promtool_approves(arguments: list[str], said: str) -> None:
    need("prometheus")
    done = subprocess.run(["promtool", *arguments], cwd=DEPLOY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert said in done.stdout


def test_promtool_notices_a_rule_that_is_spoiled(tmp_path: Path) -> None:
    need("prometheus")
    cases = load(DEPLOY / "prometheus" / "rules_test.yml")
    cases["tests"] = [
        test for test in cases["tests"] if test["alert_rule_test"][0]["alertname"] == "Stat7LatencyBurnFast"
    ]
    (tmp_path / "rules_test.yml").write_text(json.dumps(cases), "utf-8")
    spoiled = RULES.read_text("utf-8").replace("> 14.4 * 0.01", "> 144 * 0.01")
    (tmp_path / "rules.yml").write_text(spoiled, "utf-8")
    command = ["promtool", "test", "rules", "rules_test.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "Stat7LatencyBurnFast" in done.stdout + done.stderr


def test_amtool_approves() -> None:
    need("alertmanager")
    amtool = programs.ALERTMANAGER.path().with_name("amtool")
    if not amtool.is_file():
        pytest.skip("this Alertmanager came without amtool")
    command = [str(amtool), "check-config", str(DEPLOY / "alertmanager" / "alertmanager.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_durations_are_scaled_and_nothing_else() -> None:
    text = (
        'expr: rate(x{le="0.5"}[5m]) > stat7:x:rate5m + increase(y[6h] offset 1h) and time() - z < 3600\n'
        "for: 10m\ngroup_wait: 30s\n"
    )
    assert scaled(text) == (
        'expr: rate(x{le="0.5"}[6000ms]) > stat7:x:rate5m + increase(y[54000ms] offset 9000ms) and time() - z < 9\n'
        "for: 1500ms\ngroup_wait: 75ms\n"
    )


def test_the_dashboards_structure_is_what_grafana_reads() -> None:
    board = json.loads(DASHBOARD.read_text("utf-8"))
    panels = board["panels"]
    ids = [panel["id"] for panel in panels]
    assert len(ids) == len(set(ids))
    variables = {variable["name"]: variable["type"] for variable in board["templating"]["list"]}
    assert variables == {"datasource": "datasource", "instance": "query"}
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert place["x"] + place["w"] <= 24
        assert cells.isdisjoint(taken)
        taken |= cells
        if panel["type"] == "row":
            continue
        assert panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"
        references = [target["refId"] for target in panel["targets"]]
        assert references
        assert len(references) == len(set(references))
        assert all(target["expr"] and target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
    assert len(queries()) > 30
    assert not [query for query in queries() if "$" in query.expression]


def test_the_dashboard_lies_where_grafana_looks_for_it() -> None:
    provider = load(DEPLOY / "grafana" / "provisioning" / "dashboards" / "stat7.yaml")["providers"][0]
    mounted = dict(volume.split(":")[:2] for volume in SERVICES["grafana"]["volumes"])
    assert mounted["./grafana/dashboard.json"].rpartition("/")[0] == provider["options"]["path"]
    assert SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] in mounted.values()


def test_every_image_has_a_version_and_every_server_a_health_check() -> None:
    for name, service in SERVICES.items():
        assert re.search(r":v?\d+\.\d+", service["image"]), name
        assert "test" in service["healthcheck"] or name == "admin"
        assert service["networks"]
    assert SERVICES["storage"]["image"] == f"versity/versitygw:{programs.VERSITYGW}"
    assert SERVICES["gateway-1"]["image"] == f"stat7-gateway:{stat7.__version__}"


def test_every_file_folder_volume_and_network_that_is_named_exists() -> None:
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            if source.startswith("."):
                assert (DEPLOY / source).exists(), f"{name}: {source}"
            elif not source.startswith("/"):
                assert source in COMPOSE["volumes"]
        assert set(service["networks"]) <= set(COMPOSE["networks"])
        for other in service.get("depends_on", {}):
            assert "test" in SERVICES[other]["healthcheck"]
    for rules in load(DEPLOY / "prometheus" / "prometheus.yml")["rule_files"]:
        assert (DEPLOY / "prometheus" / rules).is_file()
    assert (
        (DEPLOY / "compose.yaml").parent.joinpath(SERVICES["gateway-1"]["build"]["context"], "pyproject.toml").is_file()
    )


def test_hosts_and_ports_that_are_named_are_those_of_the_services() -> None:
    listening = {
        "gateway-1": {7007, 7008}, "gateway-2": {7007, 7008}, "proxy": {8080}, "postgres": {5432}, "redis": {6379},
        "storage": {7070}, "prometheus": {9090}, "alertmanager": {9093}, "grafana": {3000},
    }  # fmt: skip
    assert set(listening) | {"admin"} == set(SERVICES)
    named: set[tuple[str, int]] = set()
    for path, text in texts():
        if path != DOCUMENT:
            found = re.findall(r"(?<![\w.-])([a-z]+(?:-\d)?):(\d{4,5})\b", text)
            named |= {(host, int(port)) for host, port in found if host in SERVICES}
    assert {("gateway-1", 7008), ("gateway-2", 7008), ("alertmanager", 9093), ("redis", 6379)} <= named
    assert all(port in listening[host] for host, port in named)
    for name, service in SERVICES.items():
        for published in service.get("ports", []):
            address, _, port = published.split(":")
            assert address == "127.0.0.1", f"{name} is published to everybody"
            assert int(port) in listening[name]
    scraped = load(DEPLOY / "prometheus" / "prometheus.yml")["scrape_configs"][0]["static_configs"][0]["targets"]
    assert scraped == ["gateway-1:7008", "gateway-2:7008"]


def test_the_image_gets_what_is_tested() -> None:
    locks = [(DEPLOY.parent / "requirements" / name).read_text("utf-8") for name in ("gateway.txt", "dev.txt")]
    image, tested = (set(re.findall(r"^(\S+==\S+)", lock, re.MULTILINE)) for lock in locks)
    assert image <= tested
    assert {"granian", "prometheus-client", "psycopg", "redis", "obstore"} <= {
        each.partition("==")[0] for each in image
    }
    assert "requirements/gateway.txt" in (DEPLOY / "Dockerfile").read_text("utf-8")


def test_secrets_come_from_the_environment_and_the_example_names_each() -> None:
    text = (DEPLOY / "compose.yaml").read_text("utf-8")
    wanted = set(re.findall(r"\$\{(\w+):\?", text))
    example = (DEPLOY / "env.example").read_text("utf-8")
    assert wanted == set(re.findall(r"^(\w+)=$", example, re.MULTILINE))
    assert set(re.findall(r"(?<!\$)\$\{?(\w+)", text)) == wanted
    assert not re.search(r"(?i)(password|secret|key)\w*: [\"']?[a-z0-9]", text)


def test_the_proxy_shares_among_the_gateways_and_is_believed_by_them() -> None:
    text = (DEPLOY / "nginx.conf").read_text("utf-8")
    front = COMPOSE["networks"]["front"]["ipam"]["config"][0]
    given = {name: SERVICES[name]["networks"]["front"]["ipv4_address"] for name in ("proxy", "gateway-1", "gateway-2")}
    shared = [f"{given['gateway-1']}:7007", f"{given['gateway-2']}:7007"]
    assert re.findall(r"^ *server (\S+)", text.partition("listen")[0], re.MULTILINE) == [*shared, "{"]
    for address in map(ip_address, given.values()):
        assert address in ip_network(front["subnet"])
        assert address not in ip_network(front["ip_range"]), "somebody else may get it"
    assert len(set(given.values())) == 3
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in text
    assert "proxy_set_header Host $http_host;" in text
    for name in ("gateway-1", "gateway-2"):
        command = SERVICES[name]["command"]
        assert command[command.index("--trust-proxy") + 1] == given["proxy"]


def test_the_first_key_is_made_before_anything_listens() -> None:
    text = (DEPLOY / "README.md").read_text("utf-8").replace("stat7-gateway.service", "")
    containers, service = text.split("## As a service of the system")
    assert 0 < containers.index("admin key create first") < containers.index("docker compose up")
    assert 0 < service.index("admin key create first") < service.index("systemctl enable") < service.index("nginx.conf")


def test_every_command_the_readme_tells_to_type_exists() -> None:
    text = (DEPLOY / "README.md").read_text("utf-8")
    assert not [fault(line) for line in commands(text) if fault(line)]
    services = re.findall(r"docker compose (?:run --rm|stop|start) (\S+)", text)
    assert set(services) == {"admin", "gateway-2"} <= set(SERVICES)
    missing = [link for link in re.findall(r"\]\(([^)#:\s]+)\)", text) if not (DEPLOY / link).exists()]
    assert missing == []


def unit() -> configparser.SectionProxy:
    """The service of the systemd unit."""
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(DEPLOY / "stat7-gateway.service", "utf-8")
    return parser["Service"]


def test_every_option_of_serve_that_is_given_exists() -> None:
    given = [SERVICES[name]["command"] for name in ("gateway-1", "gateway-2")]
    given.append(unit()["ExecStart"].split()[1:])
    for words in given:
        assert words[0] == "serve"
        parser = serve.make_parser(click.Context(serve))
        _, left, _ = parser.parse_args([str(word) for word in words[1:]])
        assert left == []


def test_the_unit_takes_from_the_service_what_it_does_not_need() -> None:
    service = unit()
    for name in ("NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices", "MemoryDenyWriteExecute"):
        assert service[name] == "yes"
    assert (service["ProtectSystem"], service["CapabilityBoundingSet"], service["User"]) == ("strict", "", "stat7")
