"""Names of files and fields as text that is safe to show on one line."""

from __future__ import annotations


def printable(name: str) -> str:
    r"""Return a name as one line of printable characters.

    Characters that would move the cursor, reverse the text or break a line (newlines, escape sequences, bidirectional
    overrides) and bytes that are no UTF-8 (lone surrogates, as Python keeps them in paths) come out as backslash
    escapes such as ``\n`` and ``\xff``; everything else stays as it is.

    Args:
        name: Any string.

    Returns:
        A string that encodes as UTF-8 and for which ``str.isprintable`` holds.
    """
    if name.isprintable():
        return name
    return "".join(character if character.isprintable() else _escaped(character) for character in name)


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")
