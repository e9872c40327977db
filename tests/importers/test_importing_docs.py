"""The mapping reference: its complete example makes exactly the document that it shows."""

from __future__ import annotations

import json
import re
from pathlib import Path

from stat7.importers.mapping_file import _TABLES
from stat7.importers.rules import FORMS
from stat7.importers.table import load_mapping, read_table
from stat7.importers.values import TIME_FORMATS, TYPES
from stat7.record import Record, document_of
from tests.importers.support import errors
from tests.importers.test_rows import Named


def test_the_complete_example_makes_the_document_it_shows(checkout: Path, tmp_path: Path) -> None:
    text = (checkout / "docs" / "importing.md").read_text(encoding="utf-8")
    blocks = dict(re.findall(r"```(toml|csv|json)\n(.*?)```", text, re.DOTALL))
    (tmp_path / "films.toml").write_text(blocks["toml"], encoding="utf-8")
    table = Named(blocks["csv"].encode(), "films.csv")
    found = list(read_table(table, load_mapping(tmp_path / "films.toml")))
    assert errors(found) == []
    records = [item.document for item in found if isinstance(item.document, Record)]
    assert [record.id for record in records] == ["film/OX1", "film/OX2"]
    assert document_of(records[0]) == json.loads(blocks["json"])
    assert records[1].adjacency == []
    assert records[1].created_at is None


def test_every_option_of_a_mapping_is_described(checkout: Path) -> None:

    text = (checkout / "docs" / "importing.md").read_text(encoding="utf-8")
    keys = [key for keys in _TABLES.values() for key in keys or ()]
    options = [*FORMS, *(key for keys in FORMS.values() for key in keys), *TIME_FORMATS, *TYPES, *keys]
    assert [option for option in options if not re.search(rf"[`\"{{ ]{option}\b", text)] == []
