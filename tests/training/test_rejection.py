"""Non-digits are made of what nothing learns from, and counted by a rule that plays fair."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from extractor.segmentation import GEOMETRY
from training import cli, letters, models, nondigits, rejection
from training.datasets import DatasetError

from . import drawn_sets
from .conftest import draw_digits

HEIGHT, WIDTH = GEOMETRY.index("height"), GEOMETRY.index("width")


@pytest.fixture(scope="module")
def made():
    return nondigits.from_digits(draw_digits(60, 5).x, 40)


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = drawn_sets.write_sets(tmp_path_factory.mktemp("sets"))
    path = folder / "letters" / "letters_hw62.npz"
    with np.load(path) as archive:
        pictures = archive["x"]
    np.savez(path, x=pictures[:20], y=np.array([ord(name) for name in "acek" for _ in range(5)]))
    return folder


def test_every_kind_is_made_in_the_readers_format(made):
    assert set(made) == set(nondigits.KINDS)
    for found in made.values():
        assert found.crops.shape == found.context.shape == (40, 28, 28)
        assert found.crops.dtype == found.context.dtype == np.uint8
        assert found.geometry.shape == (40, 8)
        assert np.isfinite(found.geometry).all()


def test_the_same_seed_makes_the_same_and_another_seed_others(made):
    digits = draw_digits(60, 5).x
    again, other = nondigits.from_digits(digits, 40), nondigits.from_digits(digits, 40, seed=1)
    for name, found in made.items():
        assert np.array_equal(found.crops, again[name].crops)
        assert np.array_equal(found.geometry, again[name].geometry)
        assert name == "blanks" or not np.array_equal(found.crops, other[name].crops)


def test_a_half_has_the_rest_of_its_digit_beside_it(made):
    halves = made["halves"]
    assert (halves.context.reshape(40, -1).max(axis=1) > 0).all()
    assert not made["halves seen alone"].context.any()
    # Ink is the half's or the rest's: where both are drawn, at most their blurred edges meet.
    assert ((halves.crops > 200) & (halves.context > 200)).mean() < 0.01


def test_pairs_are_as_wide_as_two_digits_and_remains_of_other_sizes_than_digits(made):
    assert np.median(made["pairs"].geometry[:, WIDTH]) > 0.9
    remains = made["line remains"].geometry
    assert ((remains[:, HEIGHT] < 0.7) | (remains[:, HEIGHT] > 1.1) | (remains[:, WIDTH] > 0.3)).all()


def test_half_of_the_blanks_are_empty_and_no_speck_is(made):
    inked = made["blanks"].crops.reshape(40, -1).any(axis=1)
    assert 8 <= inked.sum() <= 32
    assert made["specks"].crops.reshape(40, -1).any(axis=1).all()


@given(st.lists(st.sampled_from("ABCab"), min_size=1, max_size=200))
def test_of_each_letter_the_last_fifth_is_held_out(names):
    mask = letters.held_out(names)
    for name in set(names):
        places = [place for place, other in enumerate(names) if other == name]
        kept = [bool(mask[place]) for place in places]
        assert kept == sorted(kept)
        assert 0.8 * len(places) <= kept.count(False) < 0.8 * len(places) + 1


def test_the_lookalikes_are_a_set_of_both_cases():
    cased = {name for name in letters.LOOKALIKES if name.isalpha()}
    assert {name.swapcase() for name in cased} == cased


def test_letters_that_look_like_digits_are_kept_apart(sets):
    pictures, _ = letters.load(sets / "letters" / "letters_hw62.npz")
    names = ["a"] * 10 + ["O"] * 5 + ["7"] * 5
    found = nondigits.from_letters(pictures[: len(names)], names)
    assert {name: len(item) for name, item in found.items()} == {"letters": 2, "letters like digits": 1}


def test_code_points_and_characters_are_the_same_letters():
    assert letters.letter_names(np.array([65, 122])) == letters.letter_names(np.array(["A", "z"])) == ["A", "z"]


def test_the_rule_keeps_its_share_of_the_validation_digits():
    validation = np.linspace(0, 1, 1000)
    found = rejection.score(
        validation, np.array([0.005, 0.5]), {"specks": np.array([0.0, 0.02]), "blanks": np.zeros(2)}
    )
    assert found.kept_validation == 0.99
    assert found.kept_test == 0.5
    assert found.kinds["specks"].rejected == 0.5
    assert found.overall.count == 4
    assert found.overall.rejected == 0.75
    assert found.overall.interval.low < 0.75 < found.overall.interval.high


def test_kinds_that_people_take_for_digits_do_not_count():
    ones, zeros = np.ones(10), np.zeros(10)
    found = rejection.score(ones, ones, {"pairs": zeros, "halves seen alone": ones})
    assert set(found.kinds) == {"pairs"}
    assert found.overall.rejected == 1
    assert found.apart["halves seen alone"].rejected == 0
    assert "not counted" in rejection.to_text(found)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=300))
def test_at_least_the_share_of_the_validation_digits_is_kept_whatever_they_are(shares):
    found = rejection.score(np.array(shares), np.ones(1), {"blanks": np.zeros(1)})
    assert found.kept_validation >= rejection.KEPT


def test_the_shipped_network_rejects_blanks_and_keeps_digits(sets):
    found = rejection.measure(models.LoneDigits(None), sets, count=30)
    assert found.kept_validation >= 0.99
    assert found.kinds["blanks"].rejected == 1
    assert set(found.kinds) == {"halves", "pairs", "punctuation", "line remains", "specks", "blanks", "letters"}


def test_letters_are_found_beside_mnist_and_left_out_where_there_are_none(sets, tmp_path):
    assert rejection.letters_beside(sets) == rejection.letters_beside(sets / "digits" / "mnist.npz")
    assert rejection.letters_beside(sets).is_file()
    assert rejection.letters_beside(tmp_path) is None
    assert rejection.letters_beside(None) is None


def test_evaluate_reports_rejection_in_both_formats(sets, monkeypatch):
    monkeypatch.setattr(rejection, "COUNT", 10)
    monkeypatch.setattr(cli, "_robustness", lambda *_: pytest.fail("corruptions were not asked for"))
    arguments = ["--data", str(sets / "digits" / "mnist.npz"), "--no-corruptions"]
    report = json.loads(CliRunner().invoke(cli.evaluate_command, [*arguments, "--format", "json"]).stdout)
    kinds = report["rejection"]["kinds"]
    assert set(kinds["pairs"]) == {"count", "rejected", "interval"}
    assert kinds["pairs"]["interval"]["low"] <= kinds["pairs"]["rejected"] <= kinds["pairs"]["interval"]["high"]
    text = CliRunner().invoke(cli.evaluate_command, arguments).stdout
    assert "non-digits rejected" in text
    assert "line remains" in text
    without = CliRunner().invoke(cli.evaluate_command, [*arguments, "--no-rejection"]).stdout
    assert "non-digits" not in without


def test_a_set_without_a_training_part_is_evaluated_without_rejection(tmp_path):
    drawn = draw_digits(20, 3)
    np.savez(tmp_path / "some.npz", x=drawn.x, y=drawn.y)
    arguments = ["--data", str(tmp_path / "some.npz"), "--no-corruptions", "--format", "json"]
    done = CliRunner().invoke(cli.evaluate_command, arguments)
    assert json.loads(done.stdout)["rejection"] is None
    assert "non-digits are not measured" in done.stderr


def test_what_holds_no_letters_is_refused(tmp_path):
    np.savez(tmp_path / "letters.npz", x=np.zeros((3, 8, 8), np.uint8), y=np.zeros(2, int))
    with pytest.raises(DatasetError, match="not one character for each of 3"):
        letters.load(tmp_path / "letters.npz")
