"""What each test has to reach, by profile, and the verdict that follows from figures and targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import eq, ge, le, lt
from typing import Final

from stat7.errors import ConfigError
from stat7.stress.results import Figure, Target, Verdict

_HOLDS: Final = {"<": lt, "<=": le, ">=": ge, "==": eq}

_LATENCY: Final = (("mean", 0.1), ("p95", 0.5), ("p99", 1.0))
"""Upper bounds of the profile `seed` in milliseconds."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Targets by test name, the same at every scale."""

    name: str
    targets: Mapping[str, tuple[Target, ...]]

    def of(self, test: str) -> tuple[Target, ...]:
        """The targets of a test; none where the profile has no opinion."""
        return self.targets.get(test, ())


def _rate_and_latency(prefix: str = "") -> tuple[Target, ...]:
    rate = Target(f"{prefix}per_second", ">=", 1000, "1/s")
    return (rate, *(Target(f"{prefix}{name}", "<", bound, "ms") for name, bound in _LATENCY))


SEED: Final = Profile(
    "seed",
    {
        "address": (*_rate_and_latency("single_"), Target("bulk_per_second", ">=", 1000, "1/s")),
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
        "memory": (Target("bytes_per_entity", "<", 5000, "B"),),
        "lookup": (
            *_rate_and_latency("hit_"),
            *_rate_and_latency("miss_"),
            Target("batched_hits_per_second", ">=", 1000, "1/s"),
            Target("batched_misses_per_second", ">=", 1000, "1/s"),
        ),
        "concurrent": (Target("operations_per_second", ">=", 5000, "1/s"), Target("errors", "==", 0, "operations")),
        "scaling": (Target("exponent", "<=", 1.05, "1"),),
    },
)

PROFILES: Final = {SEED.name: SEED}


def find_profile(name: str) -> Profile:
    """A profile by its name. Raises ConfigError naming those there are."""
    if name not in PROFILES:
        raise ConfigError(f"profile: there is none named {name!r}; choose one of {', '.join(PROFILES)}")
    return PROFILES[name]


def judge(targets: Sequence[Target], figures: Mapping[str, Figure], slack: float = 1.0) -> tuple[Verdict, str]:
    """The verdict over all targets of a test, and one line that says why, worst first.

    A figure with an interval passes or fails only if the whole interval lies on one side of its target. With `slack`
    over 1 that goes for rates and latencies, too: they must lie on one side even if they were off by that factor.
    """
    if not targets:
        return Verdict.NO_DATA, "the profile sets no target for this test"
    judged = [(target, _stand(target, _loosened(figures.get(target.figure), slack))) for target in targets]
    for verdict in (Verdict.FAIL, Verdict.NO_DATA, Verdict.INCONCLUSIVE):
        concerned = [_text(target, figures.get(target.figure)) for target, found in judged if found is verdict]
        if concerned:
            return verdict, "; ".join(concerned)
    return Verdict.PASS, f"all {len(targets)} targets met" if targets[1:] else _text(
        targets[0], figures[targets[0].figure]
    )


def _loosened(figure: Figure | None, slack: float) -> Figure | None:
    if slack == 1.0 or figure is None or figure.value is None or figure.unit not in ("ms", "1/s"):
        return figure
    return replace(figure, interval=(figure.value / slack, figure.value * slack))


def _stand(target: Target, figure: Figure | None) -> Verdict:
    if figure is None or figure.value is None:
        return Verdict.NO_DATA
    holds = _HOLDS[target.relation]
    ends = {bool(holds(value, target.value)) for value in (figure.value, *(figure.interval or ()))}
    if len(ends) == 2:
        return Verdict.INCONCLUSIVE
    return Verdict.PASS if ends == {True} else Verdict.FAIL


def _text(target: Target, figure: Figure | None) -> str:
    wanted = f"{target.relation} {_number(target.value)}{_unit(target.unit)}"
    if figure is None or figure.value is None:
        return f"{target.figure}: too few samples ({0 if figure is None else figure.samples}) for a target of {wanted}"
    spread = f" [{_number(figure.interval[0])}, {_number(figure.interval[1])}]" if figure.interval else ""
    return f"{target.figure} is {_number(figure.value)}{spread}{_unit(figure.unit)}, target {wanted}"


def _unit(unit: str) -> str:
    return {"1": "", "1/s": "/s"}.get(unit, f" {unit}")


def _number(value: float) -> str:
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.3f}".rstrip("0").rstrip(".")
