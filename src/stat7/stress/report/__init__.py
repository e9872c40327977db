"""Reports of a run, made from its results and from nothing else."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from stat7.errors import ConfigError
from stat7.stress.report import analysis, index, lay, markdown, page, visual
from stat7.stress.report.blocks import Document
from stat7.stress.report.numbers import At, clean
from stat7.stress.report.plots import plots
from stat7.stress.report.plots.canvas import Plot, draw
from stat7.stress.results import Results

__all__ = ["documents", "root_of", "write"]


def root_of(results: Results) -> At:
    """The results as the JSON file holds them."""
    return At(json.loads(json.dumps(results.as_dict(), allow_nan=False)))


def documents(root: At, source: str, drawn: Sequence[Plot]) -> list[Document]:
    """The four documents: index, plain English, pictures, analysis."""
    return [
        index.document(root, clean(source)),
        lay.document(root),
        visual.document(root, drawn),
        analysis.document(root),
    ]


def write(results: Results, folder: Path, source: str) -> list[Path]:
    """Write the four documents, their plots and report.html into `folder`, replacing it; returns what was written.

    `source` is the file name of the results JSON, which lies beside the folder. Raises ConfigError if the folder holds
    anything that is no report, or can't be written.
    """
    root = root_of(results)
    wanted = plots(root)
    every = documents(root, source, wanted)
    drawings = {plot.name: draw(plot) for plot in wanted}
    texts = {f"{document.name}.md": markdown.render(document) for document in every}
    texts |= {f"plots/{name}.svg": drawing.file for name, drawing in drawings.items()}
    inline = {name: drawing.svg for name, drawing in drawings.items()}
    texts["report.html"] = page.render("Stress test report", clean(source), every, inline)
    try:
        _replace(folder, texts)
    except OSError as error:
        raise ConfigError(f"--output: {folder}: the report can't be written there: {error.strerror or error}") from None
    return [folder / name for name in texts]


def _replace(folder: Path, texts: dict[str, str]) -> None:
    """Write all files beside the folder first, so that it is never half a report."""
    if folder.exists() and any(each.name not in _OURS for each in folder.iterdir()):
        raise ConfigError(f"--output: {folder}: holds files that are no report; move them, or name another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name[:40]}.", dir=folder.parent))
    try:
        for name, text in texts.items():
            path = fresh / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8", newline="\n")
        fresh.chmod(0o777 & ~_umask())
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(fresh, folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


_OURS: Final = frozenset({"plots", "report.html", *(f"{part.NAME}.md" for part in (index, lay, visual, analysis))})
"""What a folder of a report may hold."""


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
