"""Workloads that are wrong on purpose: dimensions that say nothing."""

from __future__ import annotations

from typing import Any

from stat7.stress.workload import Workload


class ConstantDimension(Workload):
    """A workload in which `realm` is the same for all entities."""

    def _facts(self, index: int) -> tuple[Any, ...]:
        facts = super()._facts(index)
        return ("data", *facts[1:])


class CopiedDimension(Workload):
    """A workload in which `velocity` repeats `resonance`."""

    def _facts(self, index: int) -> tuple[Any, ...]:
        realm, lineage, near, rank, (resonance, _, density), *rest = super()._facts(index)
        return (realm, lineage, near, rank, (resonance, resonance, density), *rest)


class DerivedDimension(Workload):
    """A workload in which `horizon` follows from `lineage`."""

    def _facts(self, index: int) -> tuple[Any, ...]:
        realm, lineage, near, _, *rest = super()._facts(index)
        return (realm, lineage, near, lineage % 5, *rest)
