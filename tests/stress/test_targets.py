"""Profiles and verdicts."""

from __future__ import annotations

from pathlib import Path

import pytest

from stat7.errors import ConfigError
from stat7.stress.results import Figure, Target, Verdict, exact
from stat7.stress.targets import SEED, find_profile, judge

BELOW = Target("mean", "<", 0.1, "ms")
RATE = Target("per_second", ">=", 5000, "1/s")


def test_the_seed_profile_holds_the_targets_of_the_design() -> None:
    texts = {
        test: {f"{target.figure} {target.relation} {target.value:g}" for target in targets}
        for test, targets in SEED.targets.items()
    }
    latency = {"per_second >= 1000", "mean < 0.1", "p95 < 0.5", "p99 < 1"}
    assert {f"single_{text}" for text in latency} <= texts["address"]
    assert {f"{kind}_{text}" for text in latency for kind in ("hit", "miss")} <= texts["lookup"]
    assert "duplicates == 0" in texts["collisions"]
    assert "bytes_per_entity < 5000" in texts["memory"]
    assert "operations_per_second >= 5000" in texts["concurrent"]
    assert texts["scaling"] == {"exponent <= 1.05"}


def test_a_profile_that_there_is_not_names_those_there_are() -> None:
    assert find_profile("seed") is SEED
    with pytest.raises(ConfigError, match=r"profile: there is none named 'wish'; choose one of seed, embedded"):
        find_profile("wish")


@pytest.mark.parametrize(
    ("target", "value", "verdict"),
    [
        (BELOW, 0.099, Verdict.PASS),
        (BELOW, 0.1, Verdict.FAIL),
        (RATE, 5000.0, Verdict.PASS),
        (RATE, 4999.9, Verdict.FAIL),
        (Target("mean", "<=", 1.05, "1"), 1.05, Verdict.PASS),
        (Target("mean", "==", 0, "addresses"), 0.0, Verdict.PASS),
        (Target("mean", "==", 0, "addresses"), 1.0, Verdict.FAIL),
        (BELOW, None, Verdict.NO_DATA),
    ],
)
def test_a_figure_is_judged_by_its_target(target: Target, value: float | None, verdict: Verdict) -> None:
    figure = Figure(None, target.unit, 10) if value is None else exact(value, target.unit, 10)
    assert judge([target], {target.figure: figure})[0] is verdict


def test_a_figure_without_an_interval_decides_nothing() -> None:
    assert judge([BELOW], {"mean": Figure(0.01, "ms", 10)}) == (
        Verdict.NO_DATA,
        "mean is 0.01 ms, from too few blocks for an interval, target < 0.1 ms",
    )


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [((0.9, 1.04), Verdict.PASS), ((0.99, 1.06), Verdict.INCONCLUSIVE), ((1.06, 1.2), Verdict.FAIL)],
)
def test_a_figure_with_an_interval_is_decided_only_if_it_lies_on_one_side(
    interval: tuple[float, float], verdict: Verdict
) -> None:
    figure = Figure(sum(interval) / 2, "1", 5, interval)
    found, why = judge([Target("exponent", "<=", 1.05, "1")], {"exponent": figure})
    assert found is verdict
    assert "1.05" in why


@pytest.mark.parametrize(
    ("value", "verdict"),
    [(12_000, Verdict.PASS), (8000, Verdict.INCONCLUSIVE), (3000, Verdict.INCONCLUSIVE), (2000, Verdict.FAIL)],
)
def test_rates_and_latencies_that_may_be_off_need_room_to_spare(value: float, verdict: Verdict) -> None:
    assert judge([RATE], {"per_second": exact(value, "1/s", 10)}, slack=2)[0] is verdict
    assert judge([BELOW], {"mean": exact(500 / value, "ms", 10)}, slack=2)[0] is verdict


def test_an_interval_and_a_missing_steady_state_add_up() -> None:
    figure = Figure(12_000, "1/s", 10, (9_900, 14_000))
    assert judge([RATE], {"per_second": figure})[0] is Verdict.PASS
    assert judge([RATE], {"per_second": figure}, slack=2)[0] is Verdict.INCONCLUSIVE


def test_counts_are_never_off() -> None:
    target = Target("duplicates", "==", 0, "addresses")
    assert judge([target], {"duplicates": exact(0, "addresses", 10)}, slack=9)[0] is Verdict.PASS
    assert judge([target], {"duplicates": exact(1, "addresses", 10)}, slack=9)[0] is Verdict.FAIL


def test_the_worst_target_decides_and_is_named() -> None:
    figures = {"mean": exact(0.2, "ms", 10), "p99": Figure(None, "ms", 10), "per_second": exact(9000, "1/s", 10)}
    targets = [RATE, Target("p99", "<", 1, "ms"), BELOW]
    assert judge(targets, figures) == (Verdict.FAIL, "mean is 0.2 ms, target < 0.1 ms")
    assert judge(targets[:2], figures) == (Verdict.NO_DATA, "p99: too few samples (10) for a target of < 1 ms")
    assert judge(targets[:1], figures) == (Verdict.PASS, "per_second is 9,000/s, target >= 5,000/s")
    passing = {"mean": exact(0.05, "ms", 10), "per_second": exact(9000, "1/s", 10)}
    assert judge([RATE, BELOW], passing) == (Verdict.PASS, "all 2 targets met")


def test_a_figure_that_was_not_measured_is_no_data() -> None:
    verdict, why = judge([BELOW], {})
    assert verdict is Verdict.NO_DATA
    assert "too few samples (0)" in why


def test_no_target_is_no_verdict() -> None:
    assert judge([], {})[0] is Verdict.NO_DATA
    assert SEED.of("unheard") == ()


@pytest.mark.parametrize(
    ("store", "name"),
    [
        (None, "seed"),
        ("sqlite:a.db", "seed"),
        ("postgresql://ada@db/library", "postgresql"),
        ("cassandra://one,two/library", "cluster"),
        ("https://stat7.example.org", "gateway"),
    ],
)
def test_the_profile_suits_the_store_unless_another_is_named(store: str | None, name: str) -> None:
    assert find_profile(None, store).name == name
    assert find_profile("embedded", store).name == "embedded"


def test_an_own_profile_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('machines = true\n[lookup]\nhit_p99 = "< 5 ms"\n[concurrent]\nerrors = "==0 operations"\n')
    profile = find_profile(str(path))
    assert profile.of("lookup") == (Target("hit_p99", "<", 5.0, "ms"),)
    assert profile.of("concurrent") == (Target("errors", "==", 0.0, "operations"),)
    assert profile.of("memory") == ()
    assert profile.machines


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lookup = 1", "lookup must be a table"),
        ("[looking]", "there is no test looking; those there are: address, collisions"),
        ("[lookup]\nhit_p99 = 5", r"lookup\.hit_p99 must be a relation, a number and a unit, such as"),
        ('[lookup]\nhit_p99 = "~ 5 ms"', "must be a relation"),
        ('[lookup]\nhit_p99 = "< 5..5 ms"', "must be a relation"),
        ("machines = 3", "machines must be true or false"),
        ("[", "is no TOML"),
    ],
)
def test_a_profile_that_is_wrong_says_where(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=rf"profile: .*mine\.toml.*{message}"):
        find_profile(str(path))
    with pytest.raises(ConfigError, match=r"none\.toml: can't be read"):
        find_profile(str(tmp_path / "none.toml"))


def test_one_machine_decides_nothing_about_the_rate_of_several() -> None:
    slow, fast = (exact(rate, "1/s", 10) for rate in (4000, 6000))
    verdict, why = judge([RATE], {"per_second": slow}, alone=True)
    assert verdict is Verdict.NO_DATA
    assert "per_second is 4,000/s" in why
    assert why.endswith("(one machine can't show the rate of several)")
    assert judge([RATE], {"per_second": fast}, alone=True)[0] is Verdict.PASS
    assert judge([BELOW], {"mean": exact(1, "ms", 10)}, alone=True)[0] is Verdict.FAIL
