"""Conditional writes as PartiQL statements: a batch takes 25 of them, each with a condition of its own."""

from __future__ import annotations

from functools import lru_cache

from stat7.stores.dynamodb.layout import Item

_OF_DOCUMENTS = ("d", "c", "p", "t", "m", "r", "v", "y", "n", "f")


def insert(table: str, item: Item) -> Item:
    """Store an item where none is."""
    return {"Statement": _insert(table, tuple(item)), "Parameters": list(item.values())}


def replace_by_notice(table: str, item: Item) -> Item:
    """Put a notice in place of a document that is there; not in place of a notice."""
    values = {name: value for name, value in item.items() if name not in ("pk", "sk")}
    removed = (*_OF_DOCUMENTS, *(name for name in ("i", "q") if name not in values))
    return {
        "Statement": _update(table, tuple(values), removed),
        "Parameters": [*values.values(), item["pk"], item["sk"]],
    }


def delete_document(table: str, key: Item) -> Item:
    """Erase an item unless it is a notice."""
    return {
        "Statement": f'DELETE FROM "{table}" WHERE "pk"=? AND "sk"=? AND "k" IS MISSING',
        "Parameters": [key["pk"], key["sk"]],
    }


def move_head(table: str, key: Item, expected: bytes, new: bytes) -> Item:
    """Move a head that is as expected."""
    return {
        "Statement": f'UPDATE "{table}" SET "a"=? WHERE "pk"=? AND "sk"=? AND "a"=?',
        "Parameters": [{"B": new}, key["pk"], key["sk"], {"B": expected}],
    }


@lru_cache(maxsize=64)
def _insert(table: str, names: tuple[str, ...]) -> str:
    return f'INSERT INTO "{table}" VALUE {{{",".join(f"{name!r}:?" for name in names)}}}'


@lru_cache(maxsize=64)
def _update(table: str, names: tuple[str, ...], removed: tuple[str, ...]) -> str:
    changes = [f'SET "{name}"=?' for name in names] + [f'REMOVE "{name}"' for name in removed]
    return f'UPDATE "{table}" {" ".join(changes)} WHERE "pk"=? AND "sk"=? AND "k" IS MISSING'
