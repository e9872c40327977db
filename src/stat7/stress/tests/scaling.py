"""Linear scaling: the exponent of time against the number of entities."""

from __future__ import annotations

from stat7.stress.context import Context, Outcome
from stat7.stress.results import Figure, TestResult
from stat7.stress.statistics import fit_exponent

CLAIMS = {
    "address": "the time to address N entities, one after the other, grows no faster than N",
    "lookup": "the time to look up N entities out of N stored grows no faster than N",
}


def measure(context: Context) -> list[TestResult]:
    """One result per operation, fitted over the scales at which it was measured."""
    scale = context.mode.scales[-1]
    context.budget.begin("scaling", scale)
    return [_measure(context, operation, claim, scale) for operation, claim in CLAIMS.items()]


def _measure(context: Context, operation: str, claim: str, scale: int) -> TestResult:
    points = context.points.get(operation, [])
    reached = max((size for size, _ in points), default=scale)
    outcome = Outcome("scaling", reached, claim, operation)
    fit = fit_exponent(points)
    outcome.parameters = {"scales": [size for size, _ in points], "interval": "two standard errors to each side"}
    if fit is None:
        outcome.lacking = f"{operation} was measured at {len(points)} scale(s); a fit takes two or more"
    else:
        outcome.figures = {"exponent": Figure(fit.exponent, "1", fit.points, fit.interval)}
    return outcome.judged(context)
