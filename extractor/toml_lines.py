"""On which line of a TOML file something stands: the standard library's parser does not say."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import Any

_STRINGS = re.compile(
    r"'''.*?'''(?:'{0,2})|\"\"\"(?:\\.|[^\\])*?\"\"\"(?:\"{0,2})|'[^'\n]*'|\"(?:\\.|[^\"\\\n])*\"", re.DOTALL
)

Place = tuple[str | int, ...]


def line_numbers(text: str) -> dict[Place, int]:
    """Find the lines of tables and keys.

    Args:
        text: A valid TOML document.

    Returns:
        The line, from 1, of each table and key by its place: ``("fields", 2, "box")`` for the key ``box`` of the third
        ``[[fields]]``. What stands inside an inline table or array is not looked into.
    """
    found: dict[Place, int] = {}
    counts: dict[Place, int] = {}
    table: Place = ()
    for line, statement in _statements(text):
        if statement.startswith("[["):
            keys = _keys(statement[2:].partition("]]")[0])
            parent = _with_index(keys[:-1], counts)
            listed = (*parent, keys[-1])
            counts[listed] = counts.get(listed, -1) + 1
            table = (*listed, counts[listed])
            found.setdefault(listed, line)
        elif statement.startswith("["):
            table = _with_index(_keys(statement[1:].partition("]")[0]), counts)
        else:
            table_of_key = table
            keys = _keys(_left_of_equals(statement))
            for end in range(1, len(keys) + 1):
                found.setdefault((*table_of_key, *keys[:end]), line)
            continue
        found.setdefault(table, line)
    return found


def line_of(place: Sequence[Any], lines: dict[Place, int]) -> int | None:
    """Return the line of a place, or of the nearest thing around it; None when nothing around it is known."""
    for end in range(len(place), 0, -1):
        line = lines.get(tuple(place[:end]))
        if line is not None:
            return line
    return None


def _statements(text: str) -> list[tuple[int, str]]:
    """Split a document into statements with their lines; brackets and strings may go over several."""
    out: list[tuple[int, str]] = []
    at, line, depth, begun = 0, 1, 0, -1
    first_line = 1
    is_header = False
    while at < len(text):
        character = text[at]
        if character == "#":
            end = text.find("\n", at)
            at = len(text) if end < 0 else end
            continue
        if character == "\n":
            if begun >= 0 and (depth == 0 or is_header):
                out.append((first_line, text[begun:at].strip()))
                begun, depth = -1, 0
            line += 1
            at += 1
            continue
        if begun < 0 and not character.isspace():
            begun, first_line, is_header = at, line, character == "["
        string = _STRINGS.match(text, at) if character in "'\"" else None
        if string is not None:
            line += string.group().count("\n")
            at = string.end()
            continue
        depth += (character in "[{") - (character in "]}")
        at += 1
    if begun >= 0:
        out.append((first_line, text[begun:].strip()))
    return out


def _left_of_equals(statement: str) -> str:
    at = 0
    while at < len(statement) and statement[at] != "=":
        string = _STRINGS.match(statement, at)
        at = string.end() if string else at + 1
    return statement[:at]


def _keys(dotted: str) -> list[str]:
    """Split a dotted key, quotes resolved, by letting the standard parser read it."""
    tree: Any = tomllib.loads(f"{dotted} = 0")
    keys: list[str] = []
    while isinstance(tree, dict):
        key, tree = next(iter(tree.items()))
        keys.append(key)
    return keys


def _with_index(keys: Sequence[str], counts: dict[Place, int]) -> Place:
    """Put the number of the current element behind the name of each array of tables."""
    place: Place = ()
    for key in keys:
        place = (*place, key)
        if place in counts:
            place = (*place, counts[place])
    return place
