"""The files of deploy/ as tests see them: read, taken apart, and scaled down so that hours pass in seconds."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any, Final, NamedTuple

# It brings no types.
yaml: Any = importlib.import_module("yaml")

DEPLOY: Final = Path(__file__).resolve().parents[2] / "deploy"
DASHBOARD: Final = DEPLOY / "grafana" / "dashboard.json"
RULES: Final = DEPLOY / "prometheus" / "rules.yml"

SCALE: Final = 400
"""Every duration of rules.yml and alertmanager.yml is divided by this."""

SCRAPE_SECONDS: Final = 1.0
"""Between two scrapes, and the time that one may take; rules are evaluated twice as often."""

SHORTEST_RANGE: Final = 6 * SCRAPE_SECONDS
"""No range gets shorter than this: a rate needs several samples, also where one comes late."""

SLOW_SECONDS: Final = 0.5
"""What a slow read is in the test's copy of the rules: one of the buckets of the histogram."""

_RANGE: Final = re.compile(r"\[(\d+)([smhd])\]")
_OFFSET: Final = re.compile(r"\boffset (\d+)([smhd])\b")
_AGE: Final = re.compile(r"(\btime\(\) - [^<]+ < )(\d+)\b")
_WAIT: Final = re.compile(r"\b(for|group_wait|group_interval|repeat_interval): (\d+)([smhd])\b")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DISK: Final = re.compile(r'(stat7_disk_size_bytes\{job="stat7"\} < )0\.\d+')
_SLOW: Final = re.compile(r'le="0\.1"')
_METRIC: Final = re.compile(r"\b(?:stat7|process)_[a-z_0-9]+\b(?!\.)")


class Query(NamedTuple):
    """A query of the dashboard, with the title of its panel."""

    panel: str
    expression: str


def load(path: Path) -> Any:
    """What a YAML file holds."""
    return yaml.safe_load(path.read_text("utf-8"))


def alerts() -> dict[str, dict[str, Any]]:
    """The alerts of rules.yml by name."""
    rules = [rule for group in load(RULES)["groups"] for rule in group["rules"]]
    return {rule["alert"]: rule for rule in rules if "alert" in rule}


def queries() -> list[Query]:
    """Every query of the dashboard, of its annotations and variables too, as Grafana would send it."""
    board = json.loads(DASHBOARD.read_text("utf-8"))
    found = [Query(panel["title"], target["expr"]) for panel in board["panels"] for target in panel.get("targets", [])]
    variables = [each for each in board["templating"]["list"] if each["type"] == "query"]
    found += [Query(variable["name"], variable["query"]["query"]) for variable in variables]
    return [Query(panel, _sent(expression)) for panel, expression in found]


def marks() -> list[str]:
    """The queries that mark the dashboard's graphs: empty unless an alert fires."""
    board = json.loads(DASHBOARD.read_text("utf-8"))
    return [each["expr"] for each in board["annotations"]["list"]]


def _sent(expression: str) -> str:
    values = re.fullmatch(r"label_values\((.+), \w+\)", expression)
    shown = values[1] if values else expression
    return shown.replace("$instance", ".*").replace("$__rate_interval", f"{SHORTEST_RANGE:g}s")


def metrics_named(text: str) -> set[str]:
    """The names of metrics in a text."""
    return set(_METRIC.findall(text))


def scaled(text: str) -> str:
    """Rules, or Alertmanager's configuration, with every duration divided by SCALE; ranges stay SHORTEST_RANGE."""

    def shorter(count: str, unit: str, least: float = 0.0) -> str:
        return f"{round(max(least, int(count) * _SECONDS[unit] / SCALE) * 1000)}ms"

    text = _RANGE.sub(lambda found: f"[{shorter(found[1], found[2], SHORTEST_RANGE)}]", text)
    text = _OFFSET.sub(lambda found: f"offset {shorter(found[1], found[2])}", text)
    text = _AGE.sub(lambda found: f"{found[1]}{int(found[2]) / SCALE:g}", text)
    return _WAIT.sub(lambda found: f"{found[1]}: {shorter(found[2], found[3])}", text)


def rules(disk_share: float) -> str:
    """rules.yml scaled, and the two numbers in it that depend on the machine replaced.

    Both disk alerts ask for less free disk than `disk_share`, which a test can reach. A read is slow beyond
    SLOW_SECONDS, so that a machine with too much to do is not taken for a slow store.
    """
    text, disks = _DISK.subn(rf"\g<1>{disk_share!r}", scaled(RULES.read_text("utf-8")))
    text, reads = _SLOW.subn(f'le="{SLOW_SECONDS}"', text)
    assert (disks, reads) == (2, 4)
    return text


def prometheus_config(targets: list[str], alertmanager: str) -> str:
    """prometheus.yml with these addresses in place of those of compose.yaml, scraping more often."""
    config = load(DEPLOY / "prometheus" / "prometheus.yml")
    milliseconds = round(SCRAPE_SECONDS * 1000)
    config["global"] = {"scrape_interval": f"{milliseconds}ms", "evaluation_interval": f"{milliseconds // 2}ms"}
    config["scrape_configs"][0]["static_configs"] = [{"targets": targets}]
    config["alerting"]["alertmanagers"][0]["static_configs"] = [{"targets": [alertmanager]}]
    text: str = yaml.safe_dump(config)
    return text


def alertmanager_config(receiver: str) -> str:
    """alertmanager.yml scaled; its webhooks go to the receiver at this address, by the same paths."""
    text = scaled((DEPLOY / "alertmanager" / "alertmanager.yml").read_text("utf-8"))
    return text.replace("http://receiver.example:8080", receiver)
