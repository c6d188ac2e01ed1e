from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractor.errors import UsageError
from worker import jobs
from worker.folder import FolderWatch, Stability, Watch, look_once
from worker.ledger import Ledger
from worker.ledger_folders import FileState, FolderRows
from worker.pages import network_sha256
from worker.settings import load_settings

from .conftest import children_of, command_line, draw_page, wait_until


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_a_file_is_whole_when_it_stayed_the_same_for_long_enough_and_over_two_looks():
    clock = Clock()
    stability = Stability(2.0, clock)
    small, grown = FileState(1, 1), FileState(2, 1)
    assert stability.whole({"a": small}) == []
    clock.now += 1
    assert stability.whole({"a": small}) == []
    clock.now += 1
    assert stability.whole({"a": grown, "b": small}) == []
    clock.now += 1.5
    assert stability.whole({"a": grown, "b": small}) == []
    clock.now += 0.5
    assert stability.whole({"a": grown, "b": small, "c": small}) == ["a", "b"]
    clock.now += 9
    assert stability.whole({"b": small}) == ["b"]
    assert stability.whole({"a": grown}) == []


@given(st.lists(st.tuples(st.floats(0.1, 5), st.integers(0, 2)), min_size=1, max_size=12))
def test_nothing_is_ever_taken_that_changed_within_the_time_to_settle(looks):
    clock = Clock()
    stability = Stability(3.0, clock)
    changed, last = clock.now, None
    for pause, size in looks:
        clock.now += pause
        if size != last:
            changed, last = clock.now, size
        whole = stability.whole({"a": FileState(size, 0)})
        assert bool(whole) == (clock.now - changed >= 3.0)


@pytest.fixture
def inbox(tmp_path, environment):
    folder = tmp_path / "in"
    folder.mkdir()
    environment.chdir(tmp_path)
    return folder


class Look:
    """What ``--once`` does, in this process, with the pages read in it too."""

    def __init__(self, inbox, **changes):
        settings = load_settings()
        self.said: list[str] = []
        self.ledger = Ledger(settings.ledger_url)
        values = {"output_format": "json", "options": jobs.JobOptions(), "name": "", "executor": "local"}
        watch = Watch(inbox, inbox.parent / "out", processes=1, settle=0.05, **{**values, **changes})
        self.watcher = FolderWatch(self.ledger, settings, watch, network_sha256(settings), self.said.append)

    def __enter__(self):
        return self

    def __exit__(self, *_details):
        self.watcher.close()
        self.ledger.close()

    def once(self):
        look_once(self.watcher, 0.1)
        return len(self.ledger.jobs.latest(100))


def results(inbox):
    folder = inbox.parent / "out"
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_each_document_gets_a_file_and_no_content_is_read_twice(inbox):
    (inbox / "sub").mkdir()
    draw_page(inbox / "a.png", "12")
    draw_page(inbox / "sub" / "b.PNG", "34")
    (inbox / "empty.tif").touch()
    (inbox / ".hidden.png").write_bytes(b"x")
    (inbox / "notes.txt").write_bytes(b"x")
    (inbox / "link.png").symlink_to(inbox / "a.png")
    before = {path: path.stat().st_mtime_ns for path in inbox.rglob("*")}
    with Look(inbox) as look:
        assert look.once() == 1
        assert results(inbox) == ["a.png.json", "empty.tif.failed.txt", "sub/b.PNG.json"]
        assert look.once() == 1
        assert look.watcher.failed == 1
    (page,) = json.loads((inbox.parent / "out" / "a.png.json").read_text())
    assert (page["document"], page["page"], page["error"]) == ("a.png", 1, None)
    failure = (inbox.parent / "out" / "empty.tif.failed.txt").read_text()
    assert failure.startswith("page 1: empty.tif: the file is empty")
    assert failure.endswith("[empty]\n")
    assert {path: path.stat().st_mtime_ns for path in inbox.rglob("*")} == before

    # After a restart: touched, copied and renamed files bring no new work; a copy still gets its file of results.
    os.utime(inbox / "a.png")
    shutil.copy(inbox / "a.png", inbox / "copy.png")
    (inbox / "sub" / "b.PNG").rename(inbox / "c.png")
    with Look(inbox) as look:
        assert look.once() == 1
        assert sorted(look.said) == ["c.png: 1 of 1 pages read", "copy.png: 1 of 1 pages read"]
    assert json.loads((inbox.parent / "out" / "copy.png.json").read_text())[0]["document"] == "copy.png"

    # A new content under a known name is read, and its results take the place of the old ones.
    draw_page(inbox / "empty.tif", "56")
    with Look(inbox) as look:
        assert look.once() == 2
    assert [name for name in results(inbox) if name.startswith("empty")] == ["empty.tif.json"]


def test_other_options_or_formats_are_another_watch(inbox):
    draw_page(inbox / "a.png", "12")
    with Look(inbox) as look:
        assert look.once() == 1
    with Look(inbox, options=jobs.JobOptions(layout="line"), output_format="csv") as look:
        assert look.once() == 2
    assert results(inbox) == ["a.png.csv", "a.png.json"]
    assert (inbox.parent / "out" / "a.png.csv").read_text().startswith("document,page,field")


def test_one_process_watches_a_folder_at_a_time(inbox):
    with Look(inbox) as look, look.ledger.database.write() as connection:
        connection.exec_driver_sql("update digits_watches set owner = 'elsewhere|1|2|3'")
    with pytest.raises(UsageError, match="watched by another process"):
        Look(inbox)


def test_a_result_that_cannot_be_written_is_written_at_a_later_look(inbox):
    draw_page(inbox / "a.png", "12")
    obstacle = inbox.parent / "out"
    obstacle.touch()
    with Look(inbox) as look:
        with pytest.raises(UsageError, match="cannot write"):
            look.once()
        obstacle.unlink()
        assert look.once() == 1
    assert results(inbox) == ["a.png.json"]


def test_a_crash_between_recording_a_job_and_noting_it_reads_nothing_twice(inbox, environment):
    draw_page(inbox / "a.png", "12")
    with Look(inbox, executor="queue") as look:
        environment.setattr(FolderRows, "give", lambda *_arguments: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            look.once()
        environment.undo()
    environment.setenv("XDG_STATE_HOME", str(inbox.parent / "state"))
    environment.chdir(inbox.parent)
    with Look(inbox, executor="queue") as look:
        assert look.once() == 1
        (pairs,) = look.watcher._rows.undelivered().values()
        assert [file for _, file in pairs] == ["a.png"]


def test_the_command_waits_for_whole_files_survives_a_kill_and_stops_cleanly(digits):
    inbox = digits.folder / "in"
    inbox.mkdir()
    arguments = ("watch-folder", "in", "--into", "out", "--settle", "1", "--interval", "0.2", "--format", "jsonl")
    whole = draw_page(digits.folder / "whole.png", "4711").read_bytes()
    log = digits.folder / "log"
    with log.open("wb") as stream:
        first = digits.start(*arguments, stderr=stream)
    wait_until(lambda: b"watching in" in log.read_bytes(), "it watches")
    with (inbox / "slow.png").open("wb") as stream:
        for start in range(0, len(whole), len(whole) // 8 + 1):
            stream.write(whole[start : start + len(whole) // 8 + 1])
            stream.flush()
            os.fsync(stream.fileno())
            time.sleep(0.3)
    out = digits.folder / "out"
    wait_until(lambda: (out / "slow.png.jsonl").exists(), "the document is read")
    assert not (out / "slow.png.failed.txt").exists()

    draw_page(inbox / "held.png", "12")
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    with log.open("wb") as stream:
        second = digits.start(*arguments, stderr=stream)
    wait_until(lambda: (out / "held.png.jsonl").exists(), "what was left is read")
    wait_until(lambda: not any("spawn" in command_line(pid) for pid in children_of(second.pid)), "it waits again")
    second.terminate()
    assert second.wait(60) == 0
    text = log.read_text()
    assert "stopped" in text
    assert "slow.png" not in text
    assert "Traceback" not in text
    with digits.ledger() as ledger:
        assert len(ledger.jobs.latest(9)) == 2


@pytest.mark.services
def test_with_the_queue_results_come_at_a_later_call_of_a_timer(digits, scans, redis_server):
    digits.environment.setenv("DIGITS_BROKER_URL", redis_server.url)
    arguments = ("watch-folder", "scans", "--into", "out", "--settle", "0.1", "--once", "--queue")
    digits(*arguments)
    assert not list((digits.folder / "out").iterdir())
    job = digits.only_job()
    digits.start_worker()
    digits("watch", job, code=1)
    digits(*arguments, code=1)
    names = sorted(path.name for path in (digits.folder / "out").iterdir())
    assert names == ["empty.png.failed.txt", *(f"page-{number:02}.png.json" for number in range(12))]
    digits(*arguments)
    assert digits.only_job() == job


def test_a_folder_that_is_not_there_is_a_usage_error(digits):
    digits("watch-folder", "none", "--into", "out", "--once", code=2)
    assert subprocess.run(digits.command(["watch-folder", "--help"]), capture_output=True, check=True).stdout
