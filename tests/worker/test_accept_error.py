"""``--accept-error``: from the command line to the status of a string."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from extractor.network import default_model
from worker.jobs import JobOptions

from .conftest import draw_page, readings


@pytest.mark.parametrize("command", ["run", "submit"])
@pytest.mark.parametrize(
    ("rate", "said"), [("lots", "no rate between 0 and 1"), ("90%", "out of this network's reach (give one from")]
)
def test_a_rate_that_cannot_be_held_is_refused_before_anything_is_recorded(digits, command, rate, said):
    draw_page(digits.folder / "a.png")
    digits(command, "a.png", "--accept-error", rate, code=2)
    assert said in " ".join(digits.messages.split())
    with digits.ledger() as ledger:
        assert ledger.jobs.latest(1) == []


def test_the_more_error_is_accepted_the_more_strings_are(digits):
    (digits.folder / "in").mkdir()
    for number, text in enumerate(("407", "1985", "26", "31147")):
        draw_page(digits.folder / "in" / f"{number}.png", text)
    table = json.loads((default_model() / "card.json").read_text())["reading"]["accept_at"]
    accepted = []
    for error, threshold in (table[0], table[-1]):
        lines = readings(digits("run", "in", "--layout", "line", "--format", "jsonl", "--accept-error", str(error)))
        fields = [field for line in lines for field in line["fields"]]
        assert len(fields) == 4
        assert all((field["status"] == "accepted") == (field["confidence"] >= threshold) for field in fields)
        accepted.append(sum(field["status"] == "accepted" for field in fields))
    assert accepted[0] <= accepted[1]


def test_the_shipped_network_offers_errors_from_a_two_thousandth_to_a_twentieth():
    table = json.loads((default_model() / "card.json").read_text())["reading"]["accept_at"]
    assert (table[0][0], table[-1][0]) == (0.0005, 0.05)
    assert all(first[1] >= second[1] for first, second in pairwise(table))


def test_a_job_records_the_accepted_error():
    assert JobOptions(accept_error=0.001).to_dict()["accept_error"] == 0.001
