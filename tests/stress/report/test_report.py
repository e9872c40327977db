"""Reports as files: what is written and where, escaping, links, drawings for light and dark, and size."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt

from stat7.errors import ConfigError
from stat7.stress.report import documents, markdown, page, root_of, write
from stat7.stress.report.blocks import (
    Badge,
    Block,
    Bullets,
    Code,
    Document,
    Heading,
    Link,
    Listing,
    Notice,
    Paragraph,
    Strong,
)
from stat7.stress.report.numbers import Number, Quoted
from stat7.stress.report.plots import plots
from stat7.stress.report.plots.canvas import draw
from tests.stress.report.specimens import HOSTILE, SOURCE, hostile, lookup, mixture, results

FOUR = ["STRESS_TEST_INDEX", "STRESS_TEST_LAYMANS_EXPLANATION", "STRESS_TEST_VISUAL_SUMMARY", "STRESS_TEST_ANALYSIS"]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reports") / "R"
    write(mixture(), folder, SOURCE)
    return folder


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile") / "R"
    write(hostile(), folder, f"a b&<c>](d).{SOURCE}")
    return folder


def test_the_four_documents_the_page_and_the_plots_are_written(written: Path) -> None:
    names = {path.name for path in written.iterdir()}
    assert names == {"plots", "report.html", *(f"{name}.md" for name in FOUR)}
    assert len(list((written / "plots").glob("*.svg"))) >= 15


def test_what_is_returned_is_what_was_written(tmp_path: Path) -> None:
    paths = write(results([lookup(1_000)]), tmp_path / "deep" / "R", SOURCE)
    assert set(paths) == {path for path in (tmp_path / "deep" / "R").rglob("*") if path.is_file()}
    assert list((tmp_path / "deep").iterdir()) == [tmp_path / "deep" / "R"]


def test_a_report_is_replaced_whole(tmp_path: Path) -> None:
    write(results([lookup(1_000)]), tmp_path / "R", SOURCE)
    write(results(), tmp_path / "R", SOURCE)
    assert not (tmp_path / "R" / "plots").exists()
    assert "Nothing was measured" in (tmp_path / "R" / "STRESS_TEST_INDEX.md").read_text("utf-8")


def test_a_folder_with_anything_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me", "utf-8")
    with pytest.raises(ConfigError, match="no report"):
        write(results(), tmp_path, SOURCE)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_where_nothing_can_be_written_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(ConfigError, match=r"--output: .*can't be written"):
        write(results(), tmp_path / "file" / "R", SOURCE)


def test_the_same_results_make_the_same_report(tmp_path: Path) -> None:
    for name in ("A", "B"):
        write(results([lookup(1_000)]), tmp_path / name, SOURCE)
    first, second = ({path.name: path.read_bytes() for path in (tmp_path / name).rglob("*.*")} for name in ("A", "B"))
    assert first == second


def test_files_are_small(written: Path) -> None:
    for path in (written / "plots").iterdir():
        assert path.stat().st_size < 60_000, path.name
    assert (written / "report.html").stat().st_size < 1_500_000


def test_every_link_and_picture_leads_somewhere(written: Path) -> None:
    for path in written.glob("*.md"):
        text = path.read_text("utf-8")
        targets = re.findall(r"\]\(([^)\s]+)\)", text)
        assert targets or path.stem in ("STRESS_TEST_ANALYSIS",)
        for target in targets:
            assert target == f"../{SOURCE}" or (written / target).is_file(), target
    html = (written / "report.html").read_text("utf-8")
    anchors = set(re.findall(r'\bid="([^"]*)"', html))
    for target in re.findall(r'<a [^>]*href="#([^"]*)"', html):
        assert target in anchors, target


def test_anchors_are_unique(written: Path) -> None:
    found = re.findall(r'\bid="([^"]*)"', (written / "report.html").read_text("utf-8"))
    assert len(found) == len(set(found))


def test_the_page_needs_nothing_from_elsewhere(written: Path) -> None:
    html = (written / "report.html").read_text("utf-8")
    assert "<script" not in html
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', html)
    assert "@import" not in html
    assert "prefers-color-scheme: dark" in html
    assert 'name="viewport"' in html
    assert "@media print" in html


# ------------------------------------------------------------------------------------------------------ escaping


def test_hostile_text_is_no_markup_in_markdown(odd: Path) -> None:
    reader = MarkdownIt("commonmark", {"linkify": False}).enable("table").enable("strikethrough")
    for path in odd.glob("*.md"):
        html = reader.render(re.sub(r'<a id="[a-z0-9-]*"></a>', "", path.read_text("utf-8")))
        assert "<script" not in html
        assert "javascript:1)" in html or path.stem == "STRESS_TEST_VISUAL_SUMMARY"
        assert 'href="javascript' not in html
        assert "<em>b</em>" not in html
        assert "<em>i</em>" not in html
        assert "&amp;lt;" in html
        assert "\u202e" not in html
        assert "\x00" not in html


def test_hostile_text_does_not_break_tables(odd: Path) -> None:
    for path in odd.glob("*.md"):
        for block in re.findall(r"(?:^\|.*\n)+", path.read_text("utf-8"), re.MULTILINE):
            widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
            assert len(widths) == 1, block


def test_hostile_text_is_no_markup_on_the_page(odd: Path) -> None:
    html = (odd / "report.html").read_text("utf-8")
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert 'href="javascript' not in html
    assert "\u202e" not in html


def test_hostile_text_leaves_drawings_well_formed(odd: Path) -> None:
    drawings = list((odd / "plots").glob("*.svg"))
    assert len(drawings) > 5
    for path in drawings:
        tree = ElementTree.fromstring(path.read_text("utf-8"))  # noqa: S314 - drawn by the code under test
        assert not [each for each in tree.iter() if each.tag.endswith("script")]
    said = " ".join(path.read_text("utf-8") for path in drawings)
    assert "$\\frac{1}{2}$" in said, "text is shown as it is, not set as a formula"


def test_the_source_is_linked_whatever_its_name(odd: Path) -> None:
    text = (odd / "STRESS_TEST_INDEX.md").read_text("utf-8")
    (target,) = re.findall(r"\]\((\.\./[^)\s]*)\)", text)
    assert unquote(target) == f"../a b&<c>](d).{SOURCE}"


@pytest.mark.parametrize(
    "text", ["- no list", "1. no list", "1) no list", "# no heading", "> no quote", "+ none", "=== ", "a | b"]
)
def test_a_paragraph_stays_one(text: str) -> None:
    document = Document("ANY", "Any", "any", [Paragraph((Quoted(text, "/x"),)), Bullets([(Quoted(text, "/x"),)])])
    html = MarkdownIt("commonmark").enable("table").render(markdown.render(document))
    assert html.count("<p>") == 1
    assert html.count("<li>") == 1
    assert not re.findall("<(ol|h2|blockquote|table)", html)


@pytest.mark.parametrize("text", ["`", "``", "a`b", "`a", "", "a|b", "x\\"])
def test_code_stays_code(text: str) -> None:
    html = MarkdownIt("commonmark").render(markdown.inline((Code(text),)))
    assert re.search(r"<code>(.*)</code>", html, re.DOTALL)
    assert html.count("<code>") == 1


def test_every_span_and_block_has_both_forms() -> None:
    number = Number("5", "×", 5.0, "", ("/a", "/b", "/c"), "count")
    line = ("a", number, Strong(("b",)), Code("c"), Badge("NO_DATA"), Link(("d",), "#here"), Link(("e",), "OTHER"))
    blocks: list[Block] = [
        Heading(2, ("t",), "here"),
        Paragraph(line),
        Notice(line, "FAIL"),
        Bullets([line]),
        Listing([("x | y",)]),
    ]
    document = Document("ANY", "Any", "any", blocks)
    text = markdown.render(document)
    assert "**b**" in text
    assert "○ NO DATA" in text
    assert "[e](OTHER.md)" in text
    assert "    x | y" in text
    html = page.render("T", "about", [document, Document("OTHER", "O", "o", [])], {})
    assert 'href="#ANY.here"' in html
    assert 'href="#OTHER"' in html
    assert 'title="count: /a, /b, …"' in html
    assert 'class="badge NO_DATA"' in html


# ------------------------------------------------------------------------------------------------------ drawings


def test_drawings_have_colours_for_light_and_dark_and_say_what_they_are() -> None:
    drawing = draw(plots(root_of(results([lookup(1_000), lookup(10_000)])))[0])
    assert "prefers-color-scheme:dark" in drawing.file
    assert "prefers-color-scheme" not in drawing.svg
    used = set(re.findall(r"var\(--(\w+)\)", drawing.file))
    light, dark = (set(re.findall(r"--(\w+):", part)) for part in drawing.file.split("@media")[:2])
    assert used <= light == dark
    assert not re.findall(r"(?:fill|stroke): #", drawing.file)
    assert "<title>" in drawing.file
    assert "<desc>" in drawing.file
    assert 'role="img"' in drawing.file


def test_lines_differ_by_more_than_colour() -> None:
    drawing = draw(plots(root_of(results([lookup(1_000), lookup(10_000)])))[0])
    assert len(set(re.findall(r"stroke-dasharray: ([^;\"]*)", drawing.svg))) >= 1


def test_colours_of_text_can_be_read_on_their_paper() -> None:
    from stat7.stress.report.plots import canvas

    for palette in (canvas._LIGHT, canvas._DARK):
        for name in ("ink", "soft", "bad", "good", "open", "void"):
            assert _contrast(palette[name], palette["paper"]) >= 4.5, name
        for name in ("c0", "c1", "c2", "c3", "c4", "c5"):
            assert _contrast(palette[name], palette["paper"]) >= 3, name


def test_the_page_has_the_colours_of_the_drawings() -> None:
    from stat7.stress.report.plots import canvas

    style = (Path(page.__file__).parent / "page.css").read_text("utf-8")
    light, dark = style.split("@media")[:2]
    for palette, part in ((canvas._LIGHT, light), (canvas._DARK, dark)):
        for name, colour in palette.items():
            assert f"--{name}: {colour};" in part, name


def _contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_every_document_names_the_kinds_of_plots_that_are_missing() -> None:
    root = root_of(results())
    visual = documents(root, SOURCE, plots(root))[2]
    text = markdown.render(visual)
    assert "No rate was measured." in text
    assert HOSTILE not in text
