"""Several ways to do the same by turns, in the same minute on the same machine, and how they compare round by round."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, log
from statistics import fmean
from typing import Any, Final

import numpy as np

from stat7.stress.measure import Summary, Timings, bootstrap, part_of, summarise
from stat7.stress.results import Figure
from stat7.stress.tasks.postgresql import BARE, OURS, READ, WRITE, Turn
from stat7.stress.workers import Crew

BENCH: Final = "pgbench"
_SECOND: Final = 1_000_000_000
_SILENCE: Final = 60.0
_RAISED: Final = 100.0


@dataclass(slots=True)
class Contest:
    """What is compared: `turn` as each side does it, and `bench`, if given, which gives a rate for so many seconds."""

    turn: Turn
    sides: Sequence[str]
    bench: Callable[[float], float] | None = None


@dataclass(slots=True)
class Tally:
    """Operations a second of each side in each round, and what came of ours: the results of each hand, by round."""

    rates: dict[str, list[float]] = field(default_factory=dict)
    ours: list[Sequence[Mapping[str, Any]]] = field(default_factory=list)
    wrong: int = 0
    errors: int = 0
    first_error: str = ""

    def ratio(self, other: str) -> Figure:
        """Our rate as a share of another side's: the geometric mean over the rounds, in which twice and half as fast
        weigh the same.
        """
        pairs = zip(self.rates.get(OURS, ()), self.rates.get(other, ()), strict=False)
        logarithms = [log(ours / theirs) for ours, theirs in pairs if ours > 0 and theirs > 0]
        if not logarithms:
            return Figure(None, "1", 0)
        # Intervals are of what can't be negative: moved up, and down again.
        spread = bootstrap([each + _RAISED for each in logarithms])
        interval = None if spread is None else (exp(spread[0] - _RAISED), exp(spread[1] - _RAISED))
        return Figure(exp(fmean(logarithms)), "1", len(logarithms), interval)

    def rate(self, side: str, each: int = 1) -> Figure:
        """The mean rate of a side; an operation handles `each` entities."""
        rates = [rate * each for rate in self.rates.get(side, ())]
        if not rates:
            return Figure(None, "1/s", 0)
        return Figure(fmean(rates), "1/s", len(rates), bootstrap(rates))

    def summaries(self, window: float) -> dict[str, Summary]:
        """All, reads and writes of ours, as if the rounds had followed each other without the others in between."""
        whole = summarise(self._timings(window, None))
        if not self._has(WRITE):
            return {"read": whole}
        kinds = {"read": READ, "write": WRITE}
        return {"all": whole} | {name: part_of(whole, self._timings(window, kind)) for name, kind in kinds.items()}

    def acknowledged(self, hand: int) -> bytes:
        """The numbers (int64) of all that a hand's puts were told is stored."""
        return b"".join(results[hand]["acknowledged"] for results in self.ours)

    def _has(self, kind: int) -> bool:
        return any(kind in result["kinds"] for results in self.ours for result in results)

    def _timings(self, window: float, kind: int | None) -> list[Timings]:
        """For each hand. What ended after its round belongs to the end of it."""
        hands = len(self.ours[0]) if self.ours else 0
        step = int(window * _SECOND)
        return [_joined([results[hand] for results in self.ours], step, kind) for hand in range(hands)]


def _joined(rounds: Sequence[Mapping[str, Any]], step: int, kind: int | None) -> Timings:
    ends, durations = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for number, result in enumerate(rounds):
        chosen = np.frombuffer(result["kinds"], dtype=np.uint8)
        mask = np.ones(len(chosen), dtype=np.bool_) if kind is None else chosen == kind
        ended = np.minimum(np.frombuffer(result["ends"], dtype=np.int64), step)
        ends.append(ended[mask] + number * step)
        durations.append(np.frombuffer(result["durations"], dtype=np.int64)[mask])
    return np.concatenate(ends), np.concatenate(durations)


def compete(crew: Crew, contest: Contest, rounds: int, on_round: Callable[[], None]) -> Tally:
    """Let the sides take turns, each round in another order; a first round that warms up isn't counted.

    What our side wrote in that round counts as written all the same. Raises WorkerFailed.
    """
    tally = Tally()
    warm: list[Sequence[Mapping[str, Any]]] = []
    for number in range(rounds + 1):
        sides = [side for side in contest.sides if side != BENCH or contest.bench is not None]
        for side in sides if number % 2 else reversed(sides):
            if side == BENCH:
                assert contest.bench is not None
                rate = contest.bench(contest.turn.seconds)
            else:
                found = _ordered(crew, contest.turn, side, tally)
                rate = sum(_rate(result) for result in found)
                if side == OURS:
                    (tally.ours if number else warm).append(found)
            if number:
                tally.rates.setdefault(side, []).append(rate)
        on_round()
    return _with_warm_up(tally, warm)


def _ordered(crew: Crew, turn: Turn, side: str, tally: Tally) -> Sequence[Mapping[str, Any]]:
    order = Turn(side, turn.threads, turn.batch, turn.writes, turn.seconds)
    found = crew.order(order, turn.seconds + _SILENCE)
    for result in found if side == OURS else ():
        tally.wrong += result["wrong"]
        tally.errors += result["errors"]
        tally.first_error = tally.first_error or result["first_error"]
    return found


def _rate(result: Mapping[str, Any]) -> float:
    """Operations a second of one hand, until its last."""
    count = len(result["kinds"])
    return count / (array("q", result["ends"])[-1] / _SECOND) if count else 0.0


def _with_warm_up(tally: Tally, warm: Sequence[Sequence[Mapping[str, Any]]]) -> Tally:
    """Add what was written while warming up to what is to be read back."""
    if tally.ours and warm:
        first = [
            {**result, "acknowledged": early["acknowledged"] + result["acknowledged"]}
            for early, result in zip(warm[0], tally.ours[0], strict=True)
        ]
        tally.ours[0] = first
    return tally


__all__ = ["BARE", "BENCH", "OURS", "Contest", "Tally", "compete"]
