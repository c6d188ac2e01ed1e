"""A network is read whole, or refused in one line."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest

from extractor.classifier import Classifier
from extractor.errors import ModelError
from extractor.network import CARD, CROPS, FORMAT, LINE, default_model, load_network, open_interpreter


@pytest.fixture
def folder(tmp_path):
    """A copy of the shipped network."""
    target = tmp_path / "network"
    target.mkdir()
    for name in (CARD, CROPS, LINE):
        shutil.copy(default_model() / name, target / name)
    return target


def change_card(folder, **values):
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps(card | values))


def refusal(folder) -> str:
    """What the user is told: one line."""
    with pytest.raises(ModelError) as caught:
        load_network(folder)
    text = str(caught.value)
    assert "\n" not in text
    assert "Traceback" not in text
    return text


def test_shipped_network_is_whole():
    network = load_network(default_model())
    assert network.card["sha256"] == {
        CROPS: hashlib.sha256(network.crops).hexdigest(),
        LINE: hashlib.sha256(network.line).hexdigest(),
    }
    assert len(network.sha256) == 64
    assert network.temperature > 0


def test_shipped_network_is_small():
    assert sum(path.stat().st_size for path in default_model().glob("*.tflite")) < 2_000_000


def test_a_file_of_the_network_names_its_folder(folder):
    assert load_network(folder / CROPS) == load_network(folder)


@pytest.mark.parametrize("name", [CROPS, LINE])
@pytest.mark.parametrize("place", [0.0, 0.5, 0.999])
def test_a_flipped_byte_is_found(folder, name, place):
    data = bytearray((folder / name).read_bytes())
    data[int(place * len(data))] ^= 1
    (folder / name).write_bytes(bytes(data))
    text = refusal(folder)
    assert name in text
    assert "damaged" in text


@pytest.mark.parametrize("name", [CROPS, LINE])
def test_a_truncated_file_is_found(folder, name):
    (folder / name).write_bytes((folder / name).read_bytes()[:1000])
    assert name in refusal(folder)


@pytest.mark.parametrize("name", [CARD, CROPS, LINE])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    text = refusal(folder)
    assert f"{name} is missing" in text
    assert str(folder) in text


def test_a_missing_folder_is_named(tmp_path):
    assert "nowhere" in refusal(tmp_path / "nowhere")


def test_a_folder_in_place_of_a_file_is_refused(folder):
    (folder / CROPS).unlink()
    (folder / CROPS).mkdir()
    refusal(folder)


@pytest.mark.parametrize("version", [0, FORMAT + 1, "one", None])
def test_another_format_is_refused(folder, version):
    change_card(folder, format=version)
    assert str(FORMAT) in refusal(folder)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b"7", b"\xff\xfe", b'{"format": 1}', b'{"format": 1, "sha256": []}']
)
def test_a_corrupted_card_is_refused(folder, content):
    (folder / CARD).write_bytes(content)
    refusal(folder)


@pytest.mark.parametrize(
    "reading",
    [[], "x", {"temperature": 0}, {"temperature": "warm"}, {"temperature": None}, {"temperature": float("nan")}],
)
def test_settings_that_make_no_sense_are_refused(folder, reading):
    change_card(folder, reading=reading)
    refusal(folder)


def test_identity_follows_files_and_settings(folder):
    before = load_network(folder).sha256
    change_card(folder, name="renamed")
    assert load_network(folder).sha256 == before
    change_card(folder, reading={"temperature": 1.7})
    assert load_network(folder).sha256 != before


@pytest.mark.parametrize("content", [b"", b"not a network", bytes(5000)])
def test_what_is_no_network_is_refused(content):
    with pytest.raises(ModelError) as caught:
        open_interpreter(content, 1)
    assert "\n" not in str(caught.value)


def test_a_network_of_another_make_is_refused(folder):
    """A whole network with the right checksum, but not one that takes crops."""
    shutil.copy(folder / LINE, folder / CROPS)
    card = json.loads((folder / CARD).read_text())
    change_card(folder, sha256=card["sha256"] | {CROPS: card["sha256"][LINE]})
    with pytest.raises(ModelError) as caught:
        Classifier(folder)
    assert "\n" not in str(caught.value)


def test_opening_a_network_says_nothing(capfd):
    open_interpreter(load_network(default_model()).crops, 1)
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err == ""
