"""What somebody reads who decides: the short answer and the advice, for every kind of run and outcome."""

from __future__ import annotations

from typing import Any

import pytest

from stat7.stress.report import documents, markdown, root_of
from stat7.stress.report.advice import advise, machines
from stat7.stress.report.blocks import plain_text
from stat7.stress.report.decision import answer
from stat7.stress.report.facts import busy, is_void, is_wrong, judged, stands
from stat7.stress.report.numbers import At
from stat7.stress.results import Results, Verdict
from tests.stress.report.specimens import (
    SOURCE,
    collisions,
    concurrent,
    experiment,
    kinds,
    lookup,
    results,
    scaling,
    stage,
)

KINDS = kinds()
ANSWERS = {
    "pass": "Yes. Ship it on SQLite, for up to 100,000 things.",
    "pass, full": "Yes. Ship it on SQLite, for up to 1,000,000 things.",
    "slow at the larger scale": "Yes on SQLite for up to 10,000 things; not for more, as things stand.",
    "slow everywhere": "Not on SQLite, at the speeds that were asked for.",
    "too close to call": "Not yet: this run cannot tell.",
    "no data": "Not yet: this run cannot tell.",
    "writes lost": "No. Do not ship this.",
    "collision": "No. Do not ship this.",
    "measurement void": "Not on this report.",
    "broken off": "Not on this report.",
    "nothing": "No answer: nothing was measured.",
    "interrupted": "Not yet: the run was stopped early.",
    "interrupted before anything": "No answer: nothing was measured.",
    "experiments alone": "This run alone cannot say whether to ship.",
    "experiment broken off": "Not on this report.",
    "postgresql": "Yes. Ship it on PostgreSQL, for up to 1,000,000 things.",
    "cluster": "Yes. Ship it on Cassandra, for up to 1,000,000 things.",
    "unknown store": "Yes. Ship it on the store “http://gateway:8080”, for up to 10,000 things.",
    "in memory": "Yes. Ship it on the in-memory store, for up to 10,000 things.",
    "all at once": "Not on this report.",
    "hostile": "Not on PostgreSQL, at the speeds that were asked for.",
}


def said(found: Results) -> str:
    return plain_text(answer(root_of(found)).line)


def text(found: Results) -> str:
    return markdown.render(documents(root_of(found), SOURCE, [])[1])


def test_every_kind_of_run_has_its_answer() -> None:
    assert set(ANSWERS) == set(KINDS)


@pytest.mark.parametrize("name", ANSWERS)
def test_the_short_answer_comes_first(name: str) -> None:
    assert said(KINDS[name]).startswith(ANSWERS[name])


@pytest.mark.parametrize("name", [name for name, words in ANSWERS.items() if not words.startswith("Yes")])
def test_nothing_but_a_whole_pass_is_recommended_without_limits(name: str) -> None:
    assert "Every check was met: " not in said(KINDS[name])


@pytest.mark.parametrize("name", KINDS)
def test_plain_english_has_no_jargon(name: str) -> None:
    if name == "hostile":
        return
    found = documents(root_of(KINDS[name]), SOURCE, [])[1]
    own = " ".join(
        span for block in found.blocks for span in getattr(block, "line", ()) if isinstance(span, str)
    ).lower()
    for word in ("p99", "percentile", "latency", "throughput", "bootstrap", "exponent", "quantile", "histogram"):
        assert word not in own, word


def test_a_store_that_forgets_is_said_to_forget() -> None:
    assert "forgets everything" in said(KINDS["in memory"])


def test_an_interrupted_run_says_so_wherever_it_ends() -> None:
    for tests in (
        [],
        stage(10_000),
        stage(10_000, 404.0),
        [lookup(1_000, verdict=Verdict.INVALID, why="wrong answers")],
    ):
        assert "stopped" in said(results(tests, interrupted=True))


def test_wrong_data_outweighs_a_void_measurement() -> None:
    void = lookup(1_000, verdict=Verdict.INVALID, why="generator saturated: too fast")
    assert "Do not ship" in said(results([void, collisions(1_000, duplicates=1)]))


def test_wrong_data_within_an_experiment_counts() -> None:
    wrong = lookup(1_000, verdict=Verdict.INVALID, why="re-hashed reads: wrong answers: 3 of hit")
    assert "Do not ship" in said(results(stage(1_000), [experiment(6, wrong)]))


def test_refused_requests_are_no_matter_of_speed() -> None:
    from stat7.stress.results import exact

    test = concurrent(1_000, 4)
    figures = {**test.figures, "errors": exact(4, "operations", 1000)}
    from dataclasses import replace

    assert is_wrong(at(replace(test, figures=figures, verdict=Verdict.FAIL)))
    assert not is_wrong(at(concurrent(1_000, 4, 404.0)))


def at(test: Any) -> At:
    return root_of(results([test]))["tests"][0]


@pytest.mark.parametrize(
    ("why", "void"),
    [
        ("generator saturated: 9/s measured", True),
        ("timer floor: the clock moves in steps", True),
        ("the measurement broke off: a worker died", True),
        ("re-hashed reads: wrong answers", False),
        ("acknowledged writes read back: 3 of 9", False),
        ("something that is not known yet", False),
    ],
)
def test_only_known_reasons_excuse_an_invalid(why: str, void: bool) -> None:
    test = at(lookup(1_000, verdict=Verdict.INVALID, why=why))
    assert is_void(test) is void
    assert is_wrong(test) is not void


def test_a_busy_machine_is_told_of() -> None:
    assert busy(root_of(results(load=[1.5, 0.0, 0.0])))
    assert not busy(root_of(results(load=[0.5, 9.0, 9.0])))
    assert "busy" in text(results(stage(1_000), load=[9.85, 0.0, 0.0]))
    assert "busy" not in text(results(stage(1_000), load=[0.1, 0.0, 0.0]))
    assert not busy(root_of(results(load=None)))


def test_growth_is_told_as_the_time_of_tenfold() -> None:
    assert "Ten times as many things take about 11.2 times as long (10.7 to 11.7); at most 11.2" in text(
        results([scaling(10_000, 1.05)])
    )


def test_a_range_is_in_the_unit_of_its_value() -> None:
    assert "80 millionths of a second (72 to 88)" in text(results([lookup(10_000)]))


# ------------------------------------------------------------------------------------------------------ advice


@pytest.mark.parametrize(
    ("name", "verdicts"),
    [
        ("pass", ["PASS", "NO_DATA", "NO_DATA"]),
        ("slow everywhere", ["FAIL", "NO_DATA", "NO_DATA"]),
        ("postgresql", ["NO_DATA", "PASS", "NO_DATA"]),
        ("cluster", ["NO_DATA", "NO_DATA", "NO_DATA"]),
        ("writes lost", ["INVALID", "NO_DATA", "NO_DATA"]),
        ("nothing", ["NO_DATA", "NO_DATA", "NO_DATA"]),
    ],
)
def test_advice_follows_from_what_was_measured(name: str, verdicts: list[str]) -> None:
    assert [each.verdict for each in advise(root_of(KINDS[name]))] == verdicts


def test_even_a_fast_cluster_on_one_machine_is_no_evidence_for_many() -> None:
    big = results([concurrent(10_000_000, 16, 80_000.0)], store="cassandra://127.0.0.1/k")
    last = advise(root_of(big))[-1]
    assert last.verdict == "NO_DATA"
    assert last.rate is not None
    assert "share" in plain_text(last.reason)


def test_a_rate_that_is_reached_by_a_test_that_failed_is_no_pass() -> None:
    found = results([concurrent(100_000, 4, verdict=Verdict.FAIL, why="errors is 4")])
    assert advise(root_of(found))[0].verdict == "FAIL"


def test_a_rate_around_the_bound_is_inconclusive() -> None:
    assert advise(root_of(results([concurrent(100_000, 4, 5_000.0)])))[0].verdict == "INCONCLUSIVE"


def test_a_projection_counts_machines_up() -> None:
    last = advise(root_of(results([concurrent(100_000, 4, 30_000.0)])))[-1]
    assert last.rate is not None
    needed = machines(last.rate)
    assert needed is not None
    assert [str(each) for each in needed] == ["2", "2"]


def test_without_a_rate_there_is_no_projection() -> None:
    assert "sum on paper" not in text(results([lookup(1_000)]))
    assert "sum on paper" not in text(results([concurrent(1_000, 4, 404.0, verdict=Verdict.INVALID, why="wrong")]))


@pytest.mark.parametrize(
    ("value", "interval", "expected"),
    [(6.0, [5.5, 7.0], "PASS"), (4.0, [3.0, 4.5], "FAIL"), (5.2, [4.0, 6.0], "INCONCLUSIVE"), (6.0, None, "NO_DATA")],
)
def test_a_figure_stands_by_its_whole_interval(value: float, interval: list[float] | None, expected: str) -> None:
    assert stands(At({"value": value, "unit": "1/s", "interval": interval}), ">=", 5.0) == expected


def test_headroom_is_over_one_where_better() -> None:
    found = {each.target["figure"].value: each.headroom for each in judged(at(lookup(10_000)))}
    assert str(found["hit_mean"]) == "5×"
    assert str(found["hit_per_second"]) == "50×"
