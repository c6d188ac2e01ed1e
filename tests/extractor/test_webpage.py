from __future__ import annotations

import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from extractor import webpage


@given(st.lists(st.tuples(st.integers(0, 5), st.text(max_size=8))))
def test_rows_come_in_the_order_of_their_keys_and_else_as_they_were_added(items):
    stream = io.StringIO()
    with webpage.Rows() as rows:
        for key, text in items:
            rows.add(key, f"<li>{webpage.escaped(text)}</li>\n")
        assert len(rows) == len(items)
        rows.write(stream)
    wanted = [webpage.ascii_only(webpage.escaped(text)) for _, text in sorted(items, key=lambda item: item[0])]
    assert stream.getvalue() == "<ol>\n" + "".join(f"<li>{text}</li>\n" for text in wanted) + "</ol>\n"


def test_a_picture_keeps_its_shape_at_the_width_wanted():
    markup = webpage.picture(np.zeros((10, 40), np.uint8), '"a"', width=80)
    assert 'width="80" height="20"' in markup
    assert 'alt="&quot;a&quot;"' in markup
    assert "data:image/png;base64," in markup
    assert "data:image/jpeg;base64," in webpage.picture(np.zeros((10, 40, 3), np.uint8), "", quality=70)


def test_a_picture_of_nothing_is_words():
    assert webpage.picture(np.zeros((0, 5), np.uint8), "") == "no picture"


def test_the_first_of_a_filters_choices_is_chosen():
    markup = webpage.filters("kind", "Kind", [("a", "all"), ("b", "some")])
    assert markup.index('id="a" checked') < markup.index('id="b">')
