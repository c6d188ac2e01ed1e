"""Labels of the open sets that are wrong, each looked at, and what they should be."""

from __future__ import annotations

import json
from pathlib import Path


def load_corrections(path: Path, name: str) -> dict[str, list[str]]:
    """Read the corrections of one set.

    Args:
        path: JSON Lines of ``{"set", "file", "given": [strings], "corrected": [strings], "reason"}``.
        name: Of the set.

    Returns:
        File -> what is written on it.
    """
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return {row["file"]: row["corrected"] for row in rows if row["set"] == name}
