from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training import recipe
from training.recipe import Augmentation, CnnNetwork, Convolution, DenseNetwork, Export, Recipe, RecipeError, Training

PLAIN = ("cnn", "dense-128", "dense-256-128", "dense-dropout", "sequential")


@pytest.fixture
def text(small_recipe):
    return small_recipe.to_toml()


def load_text(tmp_path, content):
    path = tmp_path / "recipe.toml"
    path.write_text(content)
    return recipe.load(path)


@pytest.mark.parametrize("name", PLAIN)
def test_built_in_recipes_are_valid_and_named_as_their_files(name):
    found = recipe.load(recipe.find(name))
    assert found.name == name
    assert recipe.load_header(recipe.find(name)).expected_accuracy == found.expected_accuracy


def test_built_in_recipes_are_what_their_names_promise():
    found = {name: recipe.load(recipe.find(name)) for name in PLAIN}
    assert found["dense-128"].network == DenseNetwork(kind="dense", hidden=(128,))
    assert (found["dense-128"].training.epochs, found["dense-128"].training.validation_split) == (5, 0.1)
    large = found["dense-256-128"].training
    assert found["dense-256-128"].network == DenseNetwork(kind="dense", hidden=(256, 128))
    assert (large.epochs, large.batch_size, large.validation_split) == (20, 2000, 0.2)
    assert found["dense-dropout"].export.saved_model
    assert found["dense-dropout"].network.dropout > 0
    assert found["dense-dropout"].training.loss == "categorical_crossentropy"
    assert found["cnn"].training.epochs == 10
    assert found["cnn"].training.loss == "categorical_crossentropy"


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(RecipeError, match=r"no recipe 'densest'.*dense-128"):
        recipe.find("densest")


def test_a_path_that_is_not_there_is_named(tmp_path):
    with pytest.raises(RecipeError, match=r"no recipe file .*mine\.toml"):
        recipe.find(str(tmp_path / "mine.toml"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("epochs = 4", "epochs = 4\nepoch = 4", "unknown key training.epoch"),
        ("epochs = 4", "", "key training.epochs is missing"),
        ("epochs = 4", "epochs = 0", "training.epochs: Input should be greater than 0"),
        ("hidden = [32]", "hidden = [32]\nwidth = 3", "unknown key network.width"),
        ("hidden = [32]", 'hidden = ["a"]', "network.hidden.0"),
        ('kind = "dense"', 'kind = "sparse"', "network"),
        ("validation_split = 0.2", "validation_split = 1.0", "training.validation_split"),
        ("[network]", "[network", "not valid TOML"),
    ],
)
def test_a_faulty_recipe_gives_one_line_that_names_the_key(tmp_path, text, old, new, message):
    assert old in text
    with pytest.raises(RecipeError, match=message) as caught:
        load_text(tmp_path, text.replace(old, new))
    assert "\n" not in str(caught.value)
    assert "recipe.toml" in str(caught.value)


def test_a_recipe_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="not valid TOML"):
        recipe.load(path)


def test_overrides_replace_only_what_is_given(small_recipe):
    changed = small_recipe.override(epochs=9, seed=None, limit=100)
    assert changed.training.epochs == 9
    assert changed.training.limit == 100
    assert changed.training.seed == small_recipe.training.seed
    assert changed.network == small_recipe.network


def test_an_override_out_of_range_is_refused(small_recipe):
    with pytest.raises(RecipeError, match="learning_rate"):
        small_recipe.override(learning_rate=-1.0)


def test_the_digest_follows_every_value(small_recipe):
    assert small_recipe.sha256() == small_recipe.model_copy().sha256()
    assert small_recipe.override(seed=4).sha256() != small_recipe.sha256()


networks = st.one_of(
    st.builds(
        DenseNetwork,
        kind=st.just("dense"),
        hidden=st.lists(st.integers(1, 999), max_size=3).map(tuple),
        dropout=st.floats(0, 0.9),
    ),
    st.builds(
        CnnNetwork,
        kind=st.just("cnn"),
        convolutions=st.lists(
            st.builds(Convolution, filters=st.integers(1, 64), kernel=st.integers(1, 5), pool=st.integers(1, 3)),
            min_size=1,
            max_size=3,
        ).map(tuple),
        hidden=st.lists(st.integers(1, 999), max_size=3).map(tuple),
    ),
)
recipes = st.builds(
    Recipe,
    name=st.from_regex(r"\A[a-z0-9][a-z0-9-]{0,9}\Z"),
    title=st.text(st.characters(codec="utf-8", exclude_characters="\x7f"), max_size=30),
    expected_accuracy=st.floats(0, 1),
    network=networks,
    training=st.builds(
        Training,
        optimizer=st.just("adam"),
        learning_rate=st.floats(1e-6, 1),
        loss=st.sampled_from(["sparse_categorical_crossentropy", "categorical_crossentropy"]),
        epochs=st.integers(1, 99),
        batch_size=st.integers(1, 9999),
        validation_split=st.floats(0.01, 0.99),
        limit=st.none() | st.integers(2, 60000),
    ),
    augmentation=st.none() | st.builds(Augmentation, rotation=st.floats(0, 45), shift=st.floats(0, 4)),
    export=st.builds(Export, saved_model=st.booleans()),
)


@given(recipes)
def test_what_is_written_is_read_back_equal(tmp_path_factory, wanted):
    path = tmp_path_factory.getbasetemp() / "round-trip.toml"
    path.write_text(wanted.to_toml(), encoding="utf-8")
    assert recipe.load(path) == wanted
