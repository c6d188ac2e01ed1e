"""A network is fine-tuned on drawn strings, end to end; what goes wrong ends in one line and leaves nothing behind."""

from __future__ import annotations

import json
import multiprocessing
import resource
import shutil
import signal
import subprocess
import sys
from multiprocessing.pool import ThreadPool
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from extractor.errors import DigitsError, DocumentError, ModelError, UsageError
from extractor.network import CARD, CROPS, LINE, default_model, load_network
from extractor.reader import Reader, ReadOptions
from training import examples, finetune, rehearsal
from training.cli_finetune import finetune_command
from training.files import StorageError
from training.finetune_settings import FinetuneSettings
from training.handwriting import draw_hand, write_string
from training.labels import LabelError
from training.models import load as load_classifier

from . import drawn_sets

pytestmark = pytest.mark.train

SMALL = FinetuneSettings(
    seed=3,
    held_out=0.25,
    calibration=0.2,
    shards=1,
    word_shards=1,
    crops={**FinetuneSettings().crops.model_dump(), "min_steps": 4, "max_steps": 6, "batch_size": 32},
    line={**FinetuneSettings().line.model_dump(), "min_steps": 4, "max_steps": 6, "batch_size": 4},
)


class Silent:
    """A watcher that keeps what it hears."""

    def __init__(self):
        self.stages: list[tuple[str, int]] = []
        self.done: dict[str, int] = {}
        self.notes: list[str] = []

    def begin(self, title, total):
        self.stages.append((title, total))

    def step(self, done):
        self.done[self.stages[-1][0]] = done

    def note(self, text):
        self.notes.append(text)


def write_strings(folder, count: int, seed: int = 0):
    """Pictures of drawn strings with their labels."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        text = "".join(map(str, rng.integers(0, 10, int(rng.integers(3, 6)))))
        ink, _ = write_string(text, draw_hand(rng), rng, 36)
        cv2.imwrite(str(folder / f"{number}.png"), np.pad(255 - ink, 14, constant_values=255))
        rows.append({"file": f"{number}.png", "lines": [text]})
    return write_rows(folder, rows)


def write_rows(folder, rows):
    path = folder / "labels.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def strings(tmp_path_factory):
    """Twenty labelled pictures. Not to be changed: copy the folder first."""
    return write_strings(tmp_path_factory.mktemp("strings") / "set", 20)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return drawn_sets.write_sets(tmp_path_factory.mktemp("sets") / "data")


@pytest.fixture(autouse=True)
def _few_lines(monkeypatch):
    monkeypatch.setattr(examples, "LINES_PER_SHARD", 6)
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: SimpleNamespace(Pool=ThreadPool))


def tune(labels, output, **options):
    watcher = Silent()
    result = finetune.finetune(labels, output, watcher, settings=SMALL, workers=1, **options)
    return result, watcher


@pytest.fixture(scope="module")
def tuned(strings, data, tmp_path_factory):
    """One complete run. Not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(examples, "LINES_PER_SHARD", 6)
        patch.setattr(multiprocessing, "get_context", lambda _: SimpleNamespace(Pool=ThreadPool))
        output = tmp_path_factory.mktemp("out") / "mine"
        result, watcher = tune(strings, output, data=data)
    return SimpleNamespace(output=output, result=result, watcher=watcher)


def nothing_left(folder) -> bool:
    return not folder.exists() or list(folder.iterdir()) == []


@pytest.mark.slow
def test_the_new_network_is_read_by_everything_that_takes_a_model(tuned, strings):
    assert {path.name for path in tuned.output.iterdir()} == {CARD, CROPS, LINE, "crops.keras", "line.keras"}
    network = load_network(tuned.output)
    assert network.sha256 != load_network(default_model()).sha256
    image = cv2.imread(str(strings.parent / "0.png"))
    assert Reader(tuned.output).read(image, ReadOptions(layout="line")).fields[0].text
    digits = np.zeros((2, 28, 28), np.uint8)
    digits[:, 4:24, 12:15] = 255
    assert load_classifier(tuned.output).log_probabilities(digits).shape == (2, 12)
    assert load_classifier(tuned.output / CROPS).log_probabilities(digits).argmax() == 1


@pytest.mark.slow
def test_every_image_has_one_part_to_play(tuned):
    counts = tuned.result.counts
    assert counts.images == 20
    assert counts.held_out == len(tuned.result.held_out) == 5
    assert counts.held_out + counts.calibration + counts.learnt + counts.left_out == 20
    for found in (tuned.result.before, tuned.result.after):
        assert found.strings.exact.total == counts.held_out
        assert found.digits.total == 20


@pytest.mark.slow
def test_the_card_says_what_the_network_is_made_of(tuned, tmp_path):
    text = (tuned.output / CARD).read_text()
    card = json.loads(text)
    base = load_network(default_model()).card
    assert card["base"]["sha256"] == base["sha256"]
    assert card["finetune"]["settings"]["crops"]["max_steps"] == 6
    assert card["finetune"]["learnt"] == tuned.result.counts.learnt
    assert card["finetune"]["rehearsal_in_all_hands"]
    assert set(card["metrics"]) == {"before", "after"}
    assert card["metrics"]["after"]["exact"]["total"] == 5
    assert [name for name in base["trained_on"] if name not in card["trained_on"]] == []
    assert str(tmp_path.parent) not in text, "a card holds no path of the machine"
    labels = {json.loads(line)["lines"][0] for line in open_labels(tuned)}
    assert not [label for label in labels if f'"{label}"' in text], "a card holds nothing that is written on a page"


def open_labels(tuned):
    return [json.dumps({"lines": [image.text]}) for image in tuned.result.held_out]


@pytest.mark.slow
def test_every_stage_is_reported_to_its_end(tuned):
    titles = [title for title, _ in tuned.watcher.stages]
    assert titles[0] == "aligning"
    assert {"crop network", "line network", "calibrating", "reading before", "reading after"} < set(titles)
    assert all(tuned.watcher.done[title] == total for title, total in tuned.watcher.stages)


@pytest.mark.slow
def test_a_network_can_be_tuned_again_and_the_same_seed_gives_the_same_network(tuned, strings, archive, tmp_path):
    both = [tune(strings, tmp_path / name, model=tuned.output / CROPS, data=archive) for name in ("first", "second")]
    first, second = (load_network(tmp_path / name) for name in ("first", "second"))
    assert first.sha256 == second.sha256
    assert first.card["base"]["finetune"]["learnt"] == tuned.result.counts.learnt
    assert first.card["name"].count("fine-tuned") == 1
    notes = " ".join(both[0][1].notes)
    assert "not MNIST" in notes
    assert "--data names no folder of all sets" in notes
    assert both[0][0].before.strings.exact == tuned.result.after.strings.exact


@pytest.mark.slow
def test_the_command_prints_a_table_or_json_and_lists(strings, archive, tmp_path, monkeypatch):
    monkeypatch.setattr("training.finetune_settings.FinetuneSettings", lambda **given: SMALL.model_copy(update=given))
    mislabelled = shutil.copytree(strings.parent, tmp_path / "set") / "labels.jsonl"
    rows = [json.loads(line) for line in mislabelled.read_text().splitlines()]
    for number, row in enumerate(rows[:5]):
        row["lines"] = [f"9{number}" * 8]
    write_rows(mislabelled.parent, rows)
    arguments = [mislabelled, "--output", tmp_path / "mine", "--data", archive, "--workers", 1]
    arguments += ["--held-out-list", tmp_path / "held.jsonl", "--left-out-list", tmp_path / "left.jsonl"]
    done = CliRunner().invoke(finetune_command, [str(argument) for argument in (*arguments, "--format", "json")])
    assert done.exception is None, done.output
    report = json.loads(done.stdout)
    assert report["held_out"] == report["after"]["exact"]["total"]
    assert len((tmp_path / "held.jsonl").read_text().splitlines()) == report["held_out"]
    assert len((tmp_path / "left.jsonl").read_text().splitlines()) == report["left_out"] > 0
    assert "aligning" in done.stderr

    arguments[2] = tmp_path / "text"
    done = CliRunner().invoke(finetune_command, [str(argument) for argument in arguments])
    assert "exact strings" in done.stdout
    assert "read rate at 1% error" in done.stdout


def test_labels_of_other_pictures_are_refused_all_and_left_out_one_by_one(strings, data, tmp_path):
    folder = shutil.copytree(strings.parent, tmp_path / "set")
    rows = [json.loads(line) for line in (folder / "labels.jsonl").read_text().splitlines()]
    for number, row in enumerate(rows):
        row["lines"] = [f"{number:02}" * 9]
    with pytest.raises(LabelError, match="fits its image"):
        tune(write_rows(folder, rows), tmp_path / "out" / "mine", data=data)
    assert nothing_left(tmp_path / "out")


def test_a_damaged_picture_is_named(strings, data, tmp_path):
    folder = shutil.copytree(strings.parent, tmp_path / "set")
    for number in range(20):
        (folder / f"{number}.png").write_bytes((folder / f"{number}.png").read_bytes()[:80])
    with pytest.raises(DocumentError, match=r"\.png"):
        tune(folder / "labels.jsonl", tmp_path / "out" / "mine", data=data)
    assert nothing_left(tmp_path / "out")


def test_what_is_wrong_is_said_before_any_work(strings, data, tmp_path):
    def refused(kind, words, labels=strings, output=tmp_path / "out" / "mine", **options):
        with pytest.raises(kind) as caught:
            tune(labels, output, data=data, **options)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
        assert caught.value.exit_code == 2

    folder = tmp_path / "set"
    folder.mkdir()
    shutil.copy(strings.parent / "0.png", folder)
    refused(LabelError, "no file", labels=write_rows(folder, [{"file": "absent.png", "text": "1"}]))
    refused(LabelError, "cannot be divided", labels=write_rows(folder, [{"file": "0.png", "text": "1"}]))
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in (CARD, CROPS, LINE):
        shutil.copy(default_model() / name, bare)
    refused(ModelError, "crops.keras is missing", model=bare)
    refused(ModelError, "no network in", model=tmp_path / "absent")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    refused(UsageError, "is not empty", output=tmp_path / "full")
    refused(UsageError, "is not empty", output=tmp_path / "full" / "letter.txt")
    assert (tmp_path / "full" / "letter.txt").read_text() == "dear"
    assert not (tmp_path / "out").exists()


def test_absent_digits_are_named(strings, tmp_path):
    with pytest.raises(DigitsError, match="no data set at"):
        tune(strings, tmp_path / "out" / "mine", data=tmp_path / "absent.npz")
    assert nothing_left(tmp_path / "out")


def test_a_set_that_lacks_a_digit_cannot_be_rehearsed(strings, drawn, tmp_path):
    use = drawn.train.y != 7
    path = tmp_path / "few.npz"
    arrays = {"x_test": drawn.test.x, "y_test": drawn.test.y}
    np.savez(path, x_train=drawn.train.x[use], y_train=drawn.train.y[use], **arrays)
    with pytest.raises(DigitsError, match="holds no 7"):
        tune(strings, tmp_path / "out" / "mine", data=path)


@pytest.mark.slow
def test_no_space_left_gives_one_line_and_leaves_nothing(strings, data, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, hard))  # The networks are larger than this.
    try:
        with pytest.raises(StorageError) as caught:
            tune(strings, tmp_path / "out" / "mine", data=data)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "free some space" in str(caught.value)
    assert nothing_left(tmp_path / "out")


def test_an_interrupted_run_leaves_nothing(strings, data, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(rehearsal, "load_lines", interrupt)
    with pytest.raises(KeyboardInterrupt):
        tune(strings, tmp_path / "out" / "mine", data=data)
    assert nothing_left(tmp_path / "out")


def test_what_a_killed_run_left_is_cleared_away_and_a_living_one_is_left_alone(strings, tmp_path):
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    child.wait()
    dead, alive = tmp_path / f".partial-{child.pid}-mine", tmp_path / ".partial-1-mine"
    for folder in (dead, alive):
        folder.mkdir()
    with pytest.raises(DigitsError):
        tune(strings, tmp_path / "mine", data=tmp_path / "absent.npz")
    assert not dead.exists()
    assert alive.exists()


@pytest.mark.slow
def test_a_run_that_is_told_to_stop_clears_up(strings, tmp_path):
    script = "import sys; from worker.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", script, "finetune", str(strings), "--output", str(tmp_path / "out" / "mine")]
    child = subprocess.Popen([*command, "--workers", "1"], stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    assert "aligning" in child.stderr.readline()
    child.send_signal(signal.SIGTERM)
    _, said = child.communicate(timeout=120)
    assert child.returncode == 130
    assert said.splitlines()[-1] == "digits: interrupted"
    assert nothing_left(tmp_path / "out")
