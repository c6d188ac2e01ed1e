from __future__ import annotations

from extractor.toml_lines import line_numbers, line_of

TEXT = '''# comment [not] = "this"
title = "a # b" # c
page = { width = 3, height = [1,
  2] }
text = """
[nothing]
key = 1
"""

[a."b.c"]
d.e = 1

[[fields]]
name = "one"
[[fields]]
box = [
  1, # [
  2,
]
  name = 'two'
[[fields.sub]]
x = 1
'''


def test_tables_and_keys_have_the_lines_they_begin_on():
    lines = line_numbers(TEXT)
    assert lines["title",] == 2
    assert lines["page",] == 3
    assert lines["text",] == 5
    assert ("nothing",) not in lines
    assert lines["a", "b.c"] == 10
    assert lines["a", "b.c", "d", "e"] == 11
    assert lines["fields", 0] == 13
    assert lines["fields", 0, "name"] == 14
    assert lines["fields", 1, "box"] == 16
    assert lines["fields", 1, "name"] == 20
    assert lines["fields", 1, "sub", 0, "x"] == 22


def test_a_place_that_is_not_written_has_the_line_of_what_is_around_it():
    lines = line_numbers(TEXT)
    assert line_of(("fields", 1, "box", 2), lines) == 16
    assert line_of(("fields", 1, "digits"), lines) == 15
    assert line_of(("version",), lines) is None
