"""What each test has to reach, by profile, and the verdict that follows from figures and targets."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import eq, ge, le, lt
from pathlib import Path
from typing import Final

from stat7.errors import ConfigError
from stat7.stress.results import Figure, Target, Verdict

_HOLDS: Final = {"<": lt, "<=": le, ">=": ge, "==": eq}


@dataclass(frozen=True, slots=True)
class Profile:
    """Targets by test name, the same at every scale.

    With `machines` the rates that are wanted are those of several machines: one can't show them.
    """

    name: str
    targets: Mapping[str, tuple[Target, ...]]
    machines: bool = False

    def of(self, test: str) -> tuple[Target, ...]:
        """The targets of a test; none where the profile has no opinion."""
        return self.targets.get(test, ())


def _latency(prefix: str, mean: float, p95: float, p99: float) -> tuple[Target, ...]:
    """A thousand a second, and upper bounds in milliseconds."""
    bounds = (("mean", mean), ("p95", p95), ("p99", p99))
    rate = Target(f"{prefix}per_second", ">=", 1000, "1/s")
    return (rate, *(Target(f"{prefix}{name}", "<", bound, "ms") for name, bound in bounds))


_ADDRESSES: Final = {
    "address": (*_latency("single_", 0.1, 0.5, 1.0), Target("bulk_per_second", ">=", 1000, "1/s")),
    "collisions": (
        Target("duplicates", "==", 0, "addresses"),
        Target("malformed", "==", 0, "addresses"),
        Target("unchanged_by_a_change", "==", 0, "changes"),
        Target("changed_by_reserialising", "==", 0, "spellings"),
        # Bounds that a sound hash passes in all but one of a million runs.
        Target("birthday_probability", ">=", 1e-6, "1"),
        Target("largest_bit_deviation", "<", 6, "sd"),
    ),
    # 500 MB at 100K entities.
    "memory": (Target("bytes_per_entity", "<", 5000, "B"), Target("bytes_per_put_again", "<", 200, "B")),
    "scaling": (Target("exponent", "<=", 1.05, "1"),),
}


def _profile(
    name: str, latency: tuple[float, float, float], operations: float, paced: float, *, machines: bool = False
) -> Profile:
    """The mean, p95 and p99 of a lookup in ms; operations per second of several workers; p99 at half of that in ms."""
    return Profile(
        name,
        _ADDRESSES
        | {
            "lookup": (
                *_latency("hit_", *latency),
                *_latency("miss_", *latency),
                Target("batched_hits_per_second", ">=", 1000, "1/s"),
                Target("batched_misses_per_second", ">=", 1000, "1/s"),
            ),
            "concurrent": (
                Target("operations_per_second", ">=", operations, "1/s"),
                Target("errors", "==", 0, "operations"),
            ),
            "paced": (Target("p99", "<=", paced, "ms"), Target("errors", "==", 0, "operations")),
        },
        machines,
    )


SEED: Final = _profile("seed", (0.1, 0.5, 1.0), 5000, 50)
PROFILES: Final = {
    profile.name: profile
    for profile in (
        SEED,
        _profile("embedded", (0.1, 0.5, 1.0), 5000, 50),
        _profile("postgresql", (2, 5, 10), 10_000, 50),
        _profile("cluster", (10, 25, 50), 50_000, 100, machines=True),
        _profile("gateway", (5, 10, 25), 2000, 100),
    )
}
"""What is wanted of each kind of deployment; `seed` holds what the first prototype of the addresses claimed."""

_BY_SCHEME: Final = {"postgresql": "postgresql", "cassandra": "cluster", "dynamodb": "cluster", "shards": "cluster",
                     "http": "gateway", "https": "gateway"}  # fmt: skip

_WRITTEN: Final = re.compile(r"\s*(<=|>=|==|<)\s*([0-9][0-9_.eE+-]*)\s*(\S*)\s*")


def find_profile(name: str | None, store: str | None = None) -> Profile:
    """A profile by its name, or from a TOML file by its path; None: the one that suits the store's URL.

    The file holds tables by test, in each the targets by figure: `hit_p99 = "< 5 ms"`, `operations_per_second =
    ">= 2000 1/s"`, `errors = "== 0 operations"`; `machines = true` on top as in Profile. Raises ConfigError naming
    those there are, or the line that is wrong.
    """
    if name is None:
        return PROFILES[_BY_SCHEME.get((store or "").partition(":")[0], SEED.name)]
    if name.endswith(".toml"):
        return _own(Path(name))
    if name not in PROFILES:
        known = ", ".join(PROFILES)
        raise ConfigError(f"profile: there is none named {name!r}; choose one of {known}, or a file NAME.toml")
    return PROFILES[name]


def _own(path: Path) -> Profile:
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"profile: {path}: can't be read: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"profile: {path}: is no TOML: {error}") from None
    machines = tables.pop("machines", False)
    if not isinstance(machines, bool):
        raise ConfigError(f"profile: {path}: machines must be true or false")
    return Profile(str(path), {test: _targets(path, test, table) for test, table in tables.items()}, machines)


def _targets(path: Path, test: str, table: object) -> tuple[Target, ...]:
    if test not in SEED.targets:
        raise ConfigError(f"profile: {path}: there is no test {test}; those there are: {', '.join(SEED.targets)}")
    if not isinstance(table, dict):
        raise ConfigError(f"profile: {path}: {test} must be a table of targets, such as [{test}]")
    return tuple(_target(f"{path}: {test}", figure, text) for figure, text in table.items())


def _target(where: str, figure: str, text: object) -> Target:
    found = _WRITTEN.fullmatch(text) if isinstance(text, str) else None
    try:
        if found is not None:
            return Target(figure, found[1], float(found[2]), found[3] or "1")
    except ValueError:
        pass
    raise ConfigError(f'profile: {where}.{figure} must be a relation, a number and a unit, such as "< 5 ms"')


def judge(
    targets: Sequence[Target], figures: Mapping[str, Figure], slack: float = 1.0, *, alone: bool = False
) -> tuple[Verdict, str]:
    """The verdict over all targets of a test, and one line that says why, worst first.

    A figure passes or fails only if its whole interval lies on one side of its target; without an interval there is
    nothing to judge. With `slack` over 1 rates and latencies must lie on one side even if they were off by that factor.
    `alone`: the targets are those of several machines and one was measured, so that its rates decide nothing.
    """
    if not targets:
        return Verdict.NO_DATA, "the profile sets no target for this test"
    judged = [(target, _stand(target, _loosened(figures.get(target.figure), slack))) for target in targets]
    if alone:
        judged = [(target, Verdict.NO_DATA if _missed_rate(target, found) else found) for target, found in judged]
    for verdict in (Verdict.FAIL, Verdict.NO_DATA, Verdict.INCONCLUSIVE):
        concerned = [_text(target, figures.get(target.figure)) for target, found in judged if found is verdict]
        if concerned:
            beyond = " (one machine can't show the rate of several)" if alone and verdict is Verdict.NO_DATA else ""
            return verdict, "; ".join(concerned) + beyond
    return Verdict.PASS, f"all {len(targets)} targets met" if targets[1:] else _text(
        targets[0], figures[targets[0].figure]
    )


def _missed_rate(target: Target, verdict: Verdict) -> bool:
    return target.unit == "1/s" and target.relation == ">=" and verdict is not Verdict.PASS


def _loosened(figure: Figure | None, slack: float) -> Figure | None:
    if slack == 1.0 or figure is None or figure.interval is None or figure.unit not in ("ms", "1/s"):
        return figure
    low, high = figure.interval
    return replace(figure, interval=(low / slack, high * slack))


def _stand(target: Target, figure: Figure | None) -> Verdict:
    if figure is None or figure.value is None or figure.interval is None:
        return Verdict.NO_DATA
    holds = _HOLDS[target.relation]
    ends = {bool(holds(value, target.value)) for value in (figure.value, *figure.interval)}
    if len(ends) == 2:
        return Verdict.INCONCLUSIVE
    return Verdict.PASS if ends == {True} else Verdict.FAIL


def _text(target: Target, figure: Figure | None) -> str:
    wanted = f"{target.relation} {_number(target.value)}{_unit(target.unit)}"
    if figure is None or figure.value is None:
        return f"{target.figure}: too few samples ({0 if figure is None else figure.samples}) for a target of {wanted}"
    if figure.interval is None:
        value = f"{_number(figure.value)}{_unit(figure.unit)}"
        return f"{target.figure} is {value}, from too few blocks for an interval, target {wanted}"
    low, high = figure.interval
    spread = f" [{_number(low)}, {_number(high)}]" if low < high else ""
    return f"{target.figure} is {_number(figure.value)}{spread}{_unit(figure.unit)}, target {wanted}"


def _unit(unit: str) -> str:
    return {"1": "", "1/s": "/s"}.get(unit, f" {unit}")


def _number(value: float) -> str:
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.3f}".rstrip("0").rstrip(".")
