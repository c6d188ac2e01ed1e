from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from extractor.readings import FieldReading, PageReading, Separator

boxes = st.tuples(*[st.integers(0, 5000)] * 4)
separators = st.builds(Separator, st.integers(1, 9), st.sampled_from(".,-=/"), boxes)
fields = st.builds(
    FieldReading,
    name=st.text(max_size=5),
    text=st.text("0123456789", max_size=9),
    status=st.sampled_from(["accepted", "review", "blank"]),
    confidence=st.floats(0, 1),
    box=boxes,
    separators=st.lists(separators, max_size=3).map(tuple),
)


@given(st.lists(fields, max_size=3).map(tuple))
def test_readings_become_plain_json_and_come_back(items):
    page = PageReading("a.png", 1, 10, 10, items)
    assert PageReading.from_dict(json.loads(json.dumps(page.to_dict()))) == page


def test_readings_of_before_separators_were_reported_can_be_read():
    data = FieldReading("f", "12", "review", 0.5, (0, 0, 1, 1)).to_dict()
    del data["separators"]
    assert FieldReading.from_dict(data).separators == ()


def test_a_separator_is_written_as_position_kind_and_box():
    field = FieldReading("f", "4677", "accepted", 0.99, (0, 0, 90, 30), separators=(Separator(2, ".", (40, 25, 4, 5)),))
    assert field.to_dict()["separators"] == [{"position": 2, "kind": ".", "box": [40, 25, 4, 5]}]
