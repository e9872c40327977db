"""No number in any report is missing from the results: every one is walked back, and a planted one is found."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from stat7.stress.report import documents, markdown, page, root_of, write
from stat7.stress.report.blocks import Document, Paragraph, Picture
from stat7.stress.report.numbers import At, Number, Quoted
from stat7.stress.report.plots import plots
from stat7.stress.report.plots.canvas import Drawing, draw
from stat7.stress.report.plots.canvas import Plot as PlotType
from tests.stress.report import walk
from tests.stress.report.specimens import SOURCE, around, judged, kinds, lookup, results
from tests.stress.report.walk import Unexplained

KINDS = kinds()


def made(name: str) -> tuple[At, list[PlotType], list[Document]]:
    root = root_of(KINDS[name])
    wanted = plots(root)
    return root, wanted, documents(root, SOURCE, wanted)


@cache
def drawn(name: str) -> dict[str, Drawing]:
    return {plot.name: draw(plot) for plot in made(name)[1]}


def walk_markdown(root: At, document: Document, text: str) -> None:
    expected = walk.explained(root.value, SOURCE, walk.spans_of(document))
    found = walk.markdown_tokens(text)
    if found != expected:
        raise Unexplained(f"{document.name}: {Counter(found) - Counter(expected)} or their order")


def walk_page(root: At, every: list[Document], html: str) -> None:
    spans = [span for document in every for span in walk.spans_of(_without_alt(document))]
    found = walk.tokens(walk.page_text(html))
    expected = walk.explained(root.value, SOURCE, spans)
    if found != expected:
        raise Unexplained(f"page: {Counter(found) - Counter(expected)} or their order")


def _without_alt(document: Document) -> Document:
    """On the page a drawing tells for itself what its alt text would."""
    blocks = [replace(block, alt=()) if isinstance(block, Picture) else block for block in document.blocks]
    return replace(document, blocks=blocks)


def walk_drawing(root: At, drawing: Drawing) -> None:
    expected: Counter[str] = Counter()
    for line in drawing.texts:
        # A text is drawn once, but its title and description stand there for screen readers as well.
        expected.update(dict.fromkeys(walk.explained(root.value, SOURCE, list(walk.flattened(line))), 9))
    extra = set(walk.drawn_tokens(drawing.file)) - set(expected)
    if extra:
        raise Unexplained(f"drawn, but nowhere in the results: {extra}")


@pytest.mark.parametrize("name", KINDS)
def test_every_number_of_every_document_stands_in_the_results(name: str) -> None:
    root, _, every = made(name)
    for document in every:
        walk_markdown(root, document, markdown.render(document))
    drawings = {
        block.name: "<svg></svg>" for document in every for block in document.blocks if isinstance(block, Picture)
    }
    walk_page(root, every, page.render("Stress test", SOURCE, every, drawings))


@pytest.mark.parametrize("name", ["all at once", "hostile"])
def test_every_number_that_a_plot_says_stands_in_the_results(name: str) -> None:
    root, wanted, _ = made(name)
    assert wanted
    for drawing in drawn(name).values():
        walk_drawing(root, drawing)


def test_the_files_written_are_those_that_were_walked(tmp_path: Path) -> None:
    found = results([lookup(1_000)])
    paths = write(found, tmp_path / "R", SOURCE)
    root = root_of(found)
    every = documents(root, SOURCE, plots(root))
    for document in every:
        walk_markdown(root, document, (tmp_path / "R" / f"{document.name}.md").read_text("utf-8"))
    walk_page(root, every, (tmp_path / "R" / "report.html").read_text("utf-8"))
    assert len([path for path in paths if path.suffix == ".svg"]) > 3


# --------------------------------------------------------------------------------------- the walk can fail


@pytest.mark.parametrize(
    "place",
    ["STRESS_TEST_INDEX", "STRESS_TEST_LAYMANS_EXPLANATION", "STRESS_TEST_VISUAL_SUMMARY", "STRESS_TEST_ANALYSIS"],
)
@pytest.mark.parametrize("planted", ["4,711", "37", "0.023", "95"])
def test_a_number_planted_in_a_file_is_found(place: str, planted: str) -> None:
    root, _, every = made("pass")
    document = next(each for each in every if each.name == place)
    text = markdown.render(document)
    middle = text.index("\n\n", len(text) // 2)
    with pytest.raises(Unexplained):
        walk_markdown(root, document, f"{text[:middle]}\n\nIt does {planted} of them.{text[middle:]}")


def test_a_digit_changed_in_a_file_is_found() -> None:
    root, _, every = made("pass")
    text = markdown.render(every[3])
    changed = re.sub(r"13,621", "13,622", text, count=1)
    assert changed != text
    with pytest.raises(Unexplained):
        walk_markdown(root, every[3], changed)


def test_a_number_planted_in_the_page_is_found() -> None:
    root, _, every = made("no data")
    html = page.render("Stress test", SOURCE, every, {})
    walk_page(root, every, html)
    with pytest.raises(Unexplained):
        walk_page(root, every, html.replace("</section>", "<p>And 4,711 more.</p></section>", 1))


def test_a_number_planted_in_a_drawing_is_found() -> None:
    root, _, _ = made("all at once")
    drawing = next(iter(drawn("all at once").values()))
    walk_drawing(root, drawing)
    with pytest.raises(Unexplained):
        walk_drawing(root, Drawing(drawing.svg.replace("</svg>", "<text>4,711</text></svg>"), drawing.texts))


ROOT: Any = root_of(results([lookup(1_000)]))
FIGURE = ROOT["tests"][0]["figures"]["hit_mean"]["value"]


@pytest.mark.parametrize(
    "span",
    [
        "It does 4,711 a second.",
        Number("0.021", " ms", 0.02, "ms", (FIGURE.pointer,)),
        Number("20", " ms", 0.02, "ms", (FIGURE.pointer,)),
        Number("0.02", " ms", 0.02, "ms", ("/tests/0/figures/none/value",)),
        Number("2", "", 2, "", (FIGURE.pointer,), "count"),
        Number("2", "", 2, "", (FIGURE.pointer, FIGURE.pointer), "count"),
        Number(
            "6", "×", 5, "1", (FIGURE.pointer, ROOT["tests"][0]["target"][1]["value"].pointer), "headroom of less than"
        ),
        Quoted("all 8 targets met", "/tests/0/why"),
        Quoted("hit_p96", "/tests/0/figures/hit_p95", key=True),
    ],
)
def test_a_span_that_the_results_do_not_hold_is_found(span: str | Number | Quoted) -> None:
    document = Document("ANY", "Any", "any", [Paragraph((span,))])
    with pytest.raises(Unexplained):
        walk.explained(ROOT.value, SOURCE, walk.spans_of(document))


def test_sound_spans_are_explained() -> None:
    bound = ROOT["tests"][0]["target"][1]["value"].pointer
    spans: list[str | Number | Quoted] = [
        "SHA-256 at 95 %",
        Number("0.02", " ms", 0.02, "ms", (FIGURE.pointer,)),
        Number("20", " µs", 0.02, "ms", (FIGURE.pointer,)),
        Number("5", "×", 5, "1", (FIGURE.pointer, bound), "headroom of less than"),
        Quoted("hit_p95", "/tests/0/figures/hit_p95", key=True),
    ]
    assert walk.explained(ROOT.value, SOURCE, spans) == ["256", "95", "0.02", "20", "5"]


def test_the_constants_are_few() -> None:
    assert len(walk.ALLOWED) <= 12


def test_figures_of_any_size_are_walked() -> None:
    sizes = [
        0.0,
        1e-9,
        4.2e-5,
        0.000999,
        0.0999,
        0.1,
        0.9994,
        0.9996,
        1.0,
        99.95,
        999.6,
        1000.4,
        123_456.7,
        9.9999e8,
        3e15,
        7e21,
    ]
    figures = {
        f"f{index}_{unit.replace('/', '')}": around(size, unit)
        for index, size in enumerate(sizes)
        for unit in ("ms", "B", "s", "1/s", "1", "ns", "us", "odd")
    }
    root = root_of(results([judged("odd", 1_000, figures)]))
    for document in documents(root, SOURCE, plots(root)):
        walk_markdown(root, document, markdown.render(document))
