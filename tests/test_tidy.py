"""The rules of the house that no linter holds: sizes, docstrings, and what may not be in any file of the repository.

Each rule is a function from text to complaints, and each is shown to complain about a planted fault.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

LONGEST_BODY = 50
"""Lines of a function's body, its docstring not counted."""
LONGEST_MODULE = 500
"""Lines of a module."""
PICTURES = frozenset({".png", ".jpg", ".gif", ".webp"})
"""What may be in the repository that is not text."""

Function = ast.FunctionDef | ast.AsyncFunctionDef
Rule = Callable[[str], Iterator[tuple[int, str]]]
"""Gives line number and complaint for each fault in a text."""

ROOT = Path(__file__).resolve().parent.parent

# Written so that this file does not match its own patterns.
_POSTPONED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b")
_FOLDER_OF_SOMEONE = re.compile(r"(?<![\w.~}*)-])/(?:home|root|Users|work)/[\w.]|\b[A-Za-z]:\\{1,2}Users\\")
_REGISTRY = re.compile(
    r"pypi\.org|pythonhosted\.org|npmjs\.org|yarnpkg\.com|crates\.io|proxy\.golang\.org|repo1?\.maven|deb\.debian\.org"
    r"|^\s*--(?:extra-)?index-url|^\s*--find-links",
    re.IGNORECASE,
)


def long_bodies(source: str) -> Iterator[tuple[int, str]]:
    """Functions whose body, from its first statement after the docstring to its end, is over LONGEST_BODY lines."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, Function):
            continue
        body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        lines = (body[-1].end_lineno or body[-1].lineno) - body[0].lineno + 1 if body else 0
        if lines > LONGEST_BODY:
            yield node.lineno, f"{node.name} has a body of {lines} lines, at most {LONGEST_BODY}"


def long_modules(source: str) -> Iterator[tuple[int, str]]:
    """Modules of over LONGEST_MODULE lines."""
    lines = len(source.splitlines())
    if lines > LONGEST_MODULE:
        yield lines, f"module of {lines} lines, at most {LONGEST_MODULE}"


def undocumented(source: str) -> Iterator[tuple[int, str]]:
    """Public modules, classes, functions and methods without docstring.

    An empty file is no module to speak of, and the name of a test (in the suites of stat7.testing) is its sentence.
    """
    tree = ast.parse(source)
    if tree.body and ast.get_docstring(tree) is None:
        yield 1, "module without docstring"
    yield from _undocumented_in(tree.body, "")


def _undocumented_in(body: list[ast.stmt], prefix: str) -> Iterator[tuple[int, str]]:
    for node in body:
        if isinstance(node, ast.If | ast.Try):
            yield from _undocumented_in([*node.body, *node.orelse], prefix)
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith(("_", "test_")) or _continues(node):
            continue
        if ast.get_docstring(node) is None:
            yield node.lineno, f"{prefix}{node.name} without docstring"
        if isinstance(node, ast.ClassDef):
            yield from _undocumented_in(node.body, f"{prefix}{node.name}.")


def _continues(node: Function | ast.ClassDef) -> bool:
    """Whether it is an overload or the setter of a property, documented at its first definition."""
    names = [ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list]
    return any(name in {"overload", "setter", "deleter"} for name in names)


def _lines_matching(pattern: re.Pattern[str], complaint: str) -> Rule:
    def rule(text: str) -> Iterator[tuple[int, str]]:
        for number, line in enumerate(text.splitlines(), 1):
            if found := pattern.search(line):
                yield number, f"{complaint}: {found.group()!r}"

    return rule


postponed = _lines_matching(_POSTPONED, "work put off")
someones_folders = _lines_matching(_FOLDER_OF_SOMEONE, "path of one machine")
registries = _lines_matching(_REGISTRY, "address of a package registry")


@cache
def _git_files(*options: str) -> tuple[Path, ...]:
    """Files of the checkout as `git ls-files` lists them; skips the test where there is no git repository."""
    try:
        command = ["git", "ls-files", "-z", *options]
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return tuple(path for name in sorted(listed.split("\0")) if name and (path := ROOT / name).is_file())


def _texts() -> Iterator[tuple[Path, str]]:
    """Every text file that is, or with `git add .` would be, in the repository."""
    for path in _git_files("--cached", "--others", "--exclude-per-directory=.gitignore"):
        data = path.read_bytes()
        if b"\0" not in data[:8192]:
            yield path, data.decode("utf-8", "replace")


def _modules() -> Iterator[tuple[Path, str]]:
    for path in sorted((ROOT / "src" / "stat7").rglob("*.py")):
        yield path, path.read_text("utf-8")


def _complaints(rule: Rule, files: Iterator[tuple[Path, str]]) -> list[str]:
    return [f"{path.relative_to(ROOT).as_posix()}:{line}: {what}" for path, text in files for line, what in rule(text)]


@pytest.mark.parametrize("rule", [long_bodies, long_modules, undocumented], ids=lambda rule: str(rule.__name__))
def test_every_module_of_stat7_keeps_the_rule(rule: Rule) -> None:
    assert len(list(_modules())) > 10
    complaints = _complaints(rule, _modules())
    assert not complaints, "\n".join(complaints)


@pytest.mark.parametrize(
    "rule", [postponed, someones_folders, registries], ids=["nothing postponed", "no machine's paths", "no registries"]
)
def test_every_file_of_the_repository_keeps_the_rule(rule: Rule) -> None:
    assert len(list(_texts())) > 10
    complaints = _complaints(rule, _texts())
    assert not complaints, "\n".join(complaints)


def test_nothing_that_was_built_or_downloaded_is_in_git() -> None:
    texts = {path for path, _ in _texts()}
    known = _git_files("--cached", "--others", "--exclude-per-directory=.gitignore")
    assert [path.name for path in known if path not in texts and path.suffix not in PICTURES] == []


def test_no_file_in_git_is_one_that_gitignore_covers() -> None:
    ignored = _git_files("--cached", "--ignored", "--exclude-per-directory=.gitignore")
    assert [path.relative_to(ROOT).as_posix() for path in ignored] == []


DOCUMENTED = '"""Module."""\n'


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (long_bodies, "def f():\n" + "    x = 1\n" * (LONGEST_BODY + 1)),
        (long_bodies, "class C:\n    async def f(self):\n" + "        x = 1\n" * (LONGEST_BODY + 1)),
        (long_modules, "x = 1\n" * (LONGEST_MODULE + 1)),
        (undocumented, "x = 1\n"),
        (undocumented, DOCUMENTED + "def f(): ...\n"),
        (undocumented, DOCUMENTED + "class C:\n    pass\n"),
        (undocumented, DOCUMENTED + 'class C:\n    """C."""\n    def f(self): ...\n'),
        (undocumented, DOCUMENTED + "try:\n    x = 1\nexcept E:\n    x = 2\nelse:\n    def f(): ...\n"),
        (postponed, "# TO" + "DO: later"),
        (postponed, "x = 1  # FIX" + "ME"),
        (someones_folders, f"open('/{'home'}/ada/x')"),
        (someones_folders, f"cd /{'root'}/.config"),
        (someones_folders, f"C:\\{'Users'}\\ada"),
        (someones_folders, f'"C:\\\\{"Users"}\\\\ada"'),
        (registries, "https://" + "pypi" + ".org/simple"),
        (registries, '"resolved": "https://registry.' + "npmjs" + '.org/x"'),
        (registries, "--" + "index-url https://mirror.example"),
    ],
)
def test_a_planted_fault_is_found(rule: Rule, text: str) -> None:
    assert len(list(rule(text))) == 1


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (long_bodies, 'def f():\n    """D.\n' + "    more\n" * 60 + '    """\n' + "    x = 1\n" * LONGEST_BODY),
        (long_modules, "x = 1\n" * LONGEST_MODULE),
        (undocumented, ""),
        (undocumented, DOCUMENTED + "def _f(): ...\ndef test_a(): ...\nclass _C:\n    def f(self): ...\n"),
        (
            undocumented,
            DOCUMENTED + 'class C:\n    """C."""\n    @size.setter\n    def size(self): ...\n',
        ),
        (postponed, "the method to do it"),
        (someones_folders, f"https://host.example/{'home'}/page and ~/{'work'}/x and docs/{'work'}/plan"),
        (registries, "pip install stat7"),
    ],
)
def test_what_the_rules_allow_is_not_complained_about(rule: Rule, text: str) -> None:
    assert list(rule(text)) == []
