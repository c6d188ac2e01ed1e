"""What the benchmarks rest on."""

from __future__ import annotations

import json
from pathlib import Path

CORRECTIONS = Path(__file__).resolve().parents[1] / "benchmarks" / "corrections.jsonl"


def test_every_correction_changes_one_label_and_says_why():
    rows = [json.loads(line) for line in CORRECTIONS.read_text(encoding="utf-8").splitlines()]
    assert rows
    for row in rows:
        assert set(row) == {"set", "file", "given", "corrected", "reason"}
        assert row["given"] != row["corrected"]
        assert all(text.isdecimal() for text in row["given"] + row["corrected"])
        assert row["reason"]
    assert len({(row["set"], row["file"]) for row in rows}) == len(rows)
