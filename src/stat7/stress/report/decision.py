"""The short answer: whether to ship, on what, and for how many."""

from __future__ import annotations

from stat7.stress.report.blocks import Line, Notice, Span, Strong, joined
from stat7.stress.report.facts import (
    BROKEN_OFF,
    all_tests,
    has,
    is_void,
    is_wrong,
    named,
    of_verdict,
    scales,
    verdicts,
    worst,
)
from stat7.stress.report.numbers import At, Number, count, whole
from stat7.stress.report.words import ANSWERS, OTHER, SUBJECTS, store_of


def store_name(root: At) -> Line:
    """The measured store's name in plain words."""
    store = store_of(root)
    return ("the store “", root["settings"]["store"].quoted, "”") if store is OTHER else (store.name,)


def safe_scale(root: At) -> Number | None:
    """The largest scale up to which every test passed; None if there is none."""
    found = None
    tests = list(root["tests"])
    for stage in scales(tests):
        if any(test["verdict"].value != "PASS" for test in tests if test["scale"].value <= stage.value):
            break
        found = stage
    return None if found is None else found.number(style=whole)


def answer(root: At) -> Notice:
    """What somebody who reads nothing else has to know."""
    every = verdicts(root)
    overall = worst([each["verdict"].value for each in every])
    if not every:
        return Notice((Strong(("No answer: nothing was measured.",)), *_stopped(root)), "NO_DATA")
    wrong = [test for test in all_tests(root) if is_wrong(test)]
    wrong += [each for each in root["experiments"] if not each["tests"].value and _invalid(each) and not is_void(each)]
    if wrong:
        return Notice(_wrong(wrong, root), "INVALID")
    if overall == "INVALID":
        return Notice(_void(root), "INVALID")
    if not root["tests"].value:
        return Notice(_experiments_alone(root, overall), overall)
    line = {"PASS": _yes, "FAIL": _no}.get(overall, _open)(root)
    return Notice(line, "NO_DATA" if overall == "PASS" and root["run"]["interrupted"].value else overall)


def _invalid(each: At) -> bool:
    return bool(each["verdict"].value == "INVALID")


def _stopped(root: At) -> Line:
    if not root["run"]["interrupted"].value:
        return ()
    return (" The run was stopped by hand before it was done, so this covers only what came before that.",)


def _wrong(wrong: list[At], root: At) -> Line:
    first = wrong[0]
    name = named(first) if first.get("variant") is not None else (first["name"].quoted,)
    at: tuple[Span, ...] = (" with ", first["scale"].number(style=whole), " things") if first.get("scale") else ()
    return (
        Strong(("No. Do not ship this.",)),
        " Something happened that must never happen, in the check called “",
        *name,
        "”",
        *at,
        ": “",
        first["why"].quoted,
        "”. Checks with such a finding: ",
        count(wrong),
        ". Until this is explained and mended, no other figure in this report matters.",
        *_stopped(root),
    )


def _void(root: At) -> Line:
    void = of_verdict(verdicts(root), "INVALID")
    broken = any(str(each["why"].value).startswith(BROKEN_OFF) for each in [*void, *all_tests(root)] if _invalid(each))
    what = (
        "Part of the trial broke down before it could measure anything"
        if broken
        else "The measuring itself was at its limit, so those figures say more about the measuring than about the store"
    )
    failed = of_verdict(verdicts(root), "FAIL")
    also: Line = (" Apart from that, checks that missed what was asked for: ", count(failed), ".") if failed else ()
    return (
        Strong(("Not on this report.",)),
        f" {what}. The first: “",
        void[0]["why"].quoted,
        "”. Mend that and repeat the run before you decide.",
        *also,
        *_safe(root),
        *_stopped(root),
    )


def _experiments_alone(root: At, overall: str) -> Line:
    experiments = list(root["experiments"])
    passed = of_verdict(experiments, "PASS")
    outcome: dict[str, Line] = {
        "PASS": ("What they claim was borne out.",),
        "FAIL": ("Not all of what they claim was borne out.",),
    }
    return (
        Strong(("This run alone cannot say whether to ship.",)),
        " It was made of experiments, which each look at one question: ",
        count(passed),
        " of ",
        count(experiments),
        " passed. ",
        *outcome.get(overall, ("Some of them could not be decided.",)),
        " For an answer, run the whole trial on the store that you mean to use.",
        *_stopped(root),
    )


def _largest(root: At) -> Number:
    return scales(list(root["tests"]))[-1].number(style=whole)


def _yes(root: At) -> Line:
    every = verdicts(root)
    if root["run"]["interrupted"].value:
        return (
            Strong(("Not yet: the run was stopped early.",)),
            " All that was done until then was met (checks: ",
            count(every),
            "), but what was left out may be what matters. Run it again to its end.",
        )
    forgets = store_of(root).kind == "memory"
    return (
        Strong(("Yes. Ship it on ", *store_name(root), ", for up to ", _largest(root), " things.")),
        " Every check was met: ",
        count(every),
        " of ",
        count(every),
        ". Nothing larger was tried, so for more than that this is no promise, and it holds for a computer like "
        "this one. If you need more a second than was asked for here, see the table below.",
        *(
            (" This store forgets everything when the program ends: use it only for what you can do without.",)
            if forgets
            else ()
        ),
    )


def _no(root: At) -> Line:
    every, missed = verdicts(root), of_verdict(verdicts(root), "FAIL")
    safe = safe_scale(root)
    if safe is not None:
        head = Strong(("Yes on ", *store_name(root), " for up to ", safe, " things; not for more, as things stand."))
    else:
        head = Strong(("Not on ", *store_name(root), ", at the speeds that were asked for."))
    return (
        head,
        " ",
        count(missed),
        " of the ",
        count(every),
        " checks missed what was asked for: ",
        *_subjects(missed),
        ". ",
        *_kept(root),
        "If slower is good enough for you, the figures below say how slow; if not, look for another store in the table "
        "“Which store for how many”, or for a faster computer, and measure there.",
        *_stopped(root),
    )


def _subjects(missed: list[At]) -> Line:
    """What was missed, each subject once, in plain words."""
    found: dict[str, Line] = {}
    for each in missed:
        known = SUBJECTS.get(each["name"].value)
        title = (known.heading[:1].lower() + known.heading[1:],) if known else ("“", each["name"].quoted, "”")
        found.setdefault(each["name"].value, title)
    return joined(list(found.values()), "; ")


def _kept(root: At) -> Line:
    """That nothing was lost, where that was looked at."""
    looked = [
        test
        for test in of_verdict(list(root["tests"]), "PASS", "FAIL", "NO_DATA", "INCONCLUSIVE")
        if has(test, "acknowledged_writes_lost") is not None
    ]
    if not looked:
        return ("It was not looked at whether saves are ever lost. ",)
    return (
        "What was missed is a matter of speed or size, not of safety: nothing wrong was read, and no confirmed save "
        "was lost. ",
    )


def _open(root: At) -> Line:
    every = verdicts(root)
    told = [(ANSWERS[verdict], of_verdict(every, verdict)) for verdict in ANSWERS]
    return (
        Strong(("Not yet: this run cannot tell.",)),
        " Nothing failed, but not everything could be judged. Checks in all: ",
        count(every),
        "; ",
        *joined([(f"{word}: ", count(found)) for word, found in told if found], "; "),
        ".",
        *_safe(root),
        *_stopped(root),
    )


def _safe(root: At) -> Line:
    safe = safe_scale(root)
    if safe is None:
        return ()
    return (
        " For up to ",
        safe,
        " things every check was met, so for that many you can ship on ",
        *store_name(root),
        ".",
    )
