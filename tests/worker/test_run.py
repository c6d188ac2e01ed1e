"""``digits run`` with real processes: bad input, lost processes, interruptions."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys

import pytest

from .conftest import children_of, command_line, draw_page, let_go, readings


def readers_of(process) -> list[int]:
    return [pid for pid in children_of(process.pid) if "spawn_main" in command_line(pid)]


def test_a_folder_is_read_in_name_order_and_the_bad_file_is_reported_among_the_good(digits, scans):
    lines = readings(digits("run", "scans", "--format", "jsonl", code=1))
    assert [line["document"] for line in lines] == ["scans/empty.png", *(f"scans/page-{n:02}.png" for n in range(12))]
    assert lines[0]["error"]["code"] == "empty"
    assert str(digits.folder) not in lines[0]["error"]["message"]
    assert all(line["error"] is None and line["fields"] for line in lines[1:])
    assert "12 of 13 pages read, 1 failed" in digits.messages


def test_exit_codes_tell_all_read_from_none_read(digits, scans):
    digits("run", "scans/page-00.png", code=0)
    digits("run", "scans/empty.png", code=65)
    digits("run", "scans/nothing.png", code=2)
    (digits.folder / "void").mkdir()
    digits("run", "void", code=2)
    assert "no documents" in digits.messages


def test_results_go_to_a_file_that_appears_when_complete(digits, scans):
    assert (
        digits(
            "run",
            "scans/page-00.png",
            "--format",
            "csv",
            "--output",
            "out.csv",
            "--overlays",
            "drawn",
            "--report",
            "r.html",
        )
        == ""
    )
    rows = list(csv.DictReader((digits.folder / "out.csv").open(newline="")))
    assert rows[0]["document"] == "scans/page-00.png"
    assert [path.name for path in (digits.folder / "drawn").iterdir()] == ["000001-page-00-1.png"]
    assert sorted(path.name for path in digits.folder.iterdir()) == ["drawn", "out.csv", "r.html", "scans"]
    assert "page-00.png" in (digits.folder / "r.html").read_text()
    digits("run", "scans/page-00.png", "--output", "no/such/folder/out.csv", code=2)


def test_odd_names_survive_from_the_command_line_to_the_results(digits):
    names = ["two words.png", "a,b.png", "line\nbreak.png", "=1+1.png", 'quote".png', os.fsdecode(b"caf\xe9.png")]
    for name in names:
        draw_page(digits.folder / name)
    lines = readings(digits("run", *(f"./{name}" for name in names), "--format", "jsonl"))
    assert len(lines) == len(names)
    assert [line["document"] for line in lines[:3]] == ["two words.png", "a,b.png", "line\nbreak.png"]
    job = digits.only_job()
    with digits.ledger() as ledger:
        assert [page.document for page in ledger.pages.stream(job)] == names
    table = list(csv.DictReader(io.StringIO(digits("results", job, "--format", "csv"))))
    assert len({row["document"] for row in table}) == len(names)
    assert "page 1" in digits("results", job)


def test_equal_names_in_two_folders_and_the_same_file_twice_stay_apart(digits):
    for folder in ("a", "b"):
        (digits.folder / folder).mkdir()
        draw_page(digits.folder / folder / "x.png", "1" if folder == "a" else "22222")
    lines = readings(digits("run", "a/x.png", "b/x.png", "a/x.png", "--format", "jsonl", "--overlays", "o"))
    assert [line["document"] for line in lines] == ["a/x.png", "b/x.png", "a/x.png"]
    assert lines[0] == lines[2] != lines[1]
    assert len(list((digits.folder / "o").iterdir())) == 3


def test_files_that_may_not_be_read_fail_alone(digits, scans):
    (scans / "page-03.png").chmod(0)
    (scans / "closed").mkdir(mode=0)
    # Root may read everything, unless it gives up two capabilities (CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH).
    give_up = "import ctypes, os, sys; [ctypes.CDLL(None).prctl(24, cap, 0, 0, 0) for cap in (1, 2)]"
    command = [sys.executable, "-c", f"{give_up}; os.execv(sys.argv[1], sys.argv[1:])"]
    command += digits.command(("run", "scans", "--format", "jsonl"))
    result = subprocess.run(command, cwd=digits.folder, capture_output=True, timeout=200)
    assert result.returncode == 1, result.stderr
    lines = readings(result.stdout.decode())
    failed = {line["document"]: line["error"]["code"] for line in lines if line["error"]}
    assert failed == {"scans/closed": "unreadable", "scans/empty.png": "empty", "scans/page-03.png": "unreadable"}
    assert len(lines) == 14


def test_a_killed_process_loses_no_page_and_changes_no_result(digits, held_scans):
    process = digits.start("run", "scans", "--format", "jsonl", "--workers", "2", stdout=subprocess.PIPE)
    digits.wait_for_done(3)
    os.kill(readers_of(process)[0], signal.SIGKILL)
    let_go(held_scans)
    output = process.communicate(timeout=200)[0].decode()
    assert process.returncode == 1
    assert output == digits("run", "scans", "--format", "jsonl", "--workers", "2", code=1)


def test_a_page_that_kills_its_process_is_poison_and_the_others_are_read(digits, scans):
    draw_page(scans / "deadly.png")
    (scans / "page-00.png").rename(scans / "stuck.png")
    (scans / "page-01.png").rename(scans / "faulty.png")
    (scans / "page-02.png").rename(scans / "greedy.png")
    (scans / "page-03.png").rename(scans / "slow.png")
    digits.environment.setenv("DIGITS_PAGE_TIMEOUT", "2")
    digits.with_faults()
    lines = readings(digits("run", "scans", "--format", "jsonl", code=1))
    failed = {line["document"].partition("/")[2]: line["error"] for line in lines if line["error"]}
    assert {name: error["code"] for name, error in failed.items()} == {
        "deadly.png": "poison",
        "empty.png": "empty",
        "faulty.png": "internal",
        "greedy.png": "memory",
        "stuck.png": "poison",
    }
    assert "12345" not in failed["faulty.png"]["message"] + digits.messages
    assert "3 times" in failed["deadly.png"]["message"]
    assert len(lines) == 14


def test_a_page_that_takes_too_long_fails_alone(digits, scans):
    (scans / "page-00.png").rename(scans / "slow.png")
    digits.environment.setenv("DIGITS_PAGE_TIMEOUT", "0.2")
    digits.with_faults()
    lines = readings(digits("run", "scans/slow.png", "scans/empty.png", "--format", "jsonl", code=65))
    assert lines[0]["error"]["code"] == "timeout"


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_run_goes_on_where_it_stopped(digits, held_scans, signal_number):
    process = digits.start("run", "scans", "--workers", "1", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    job = digits.wait_for_done(3)
    if signal_number == signal.SIGINT:  # as a terminal does: Ctrl-C reaches the children too
        os.killpg(process.pid, signal_number)
    else:
        process.send_signal(signal_number)
    output, messages = process.communicate(timeout=60) if signal_number != signal.SIGKILL else (b"", b"")
    if signal_number != signal.SIGKILL:
        assert process.returncode == 130
        assert b"the same command goes on" in messages
        assert b"Traceback" not in messages
    assert output == b""
    assert digits.pages(job)["done"] == 3
    let_go(held_scans)
    lines = readings(digits("run", "scans", "--format", "jsonl", code=1))
    assert f"going on with job {job}" in digits.messages
    assert digits.only_job() == job
    assert sum(line["error"] is None for line in lines) == 12


def test_a_complete_run_is_followed_by_one_that_reads_anew(digits, scans):
    first = digits("run", "scans", code=1)
    assert digits("run", "scans", code=1) == first
    assert len(digits("jobs").splitlines()) == 2


def test_cancelling_stops_a_run_before_its_next_page_and_retry_finishes_it(digits, held_scans):
    process = digits.start(
        "run", "scans", "--job", "night shift", "--workers", "1", "--format", "jsonl", stdout=subprocess.PIPE
    )
    job = digits.wait_for_done(3)
    digits("cancel", "night shift")
    let_go(held_scans)
    lines = readings(process.communicate(timeout=60)[0].decode())
    assert process.returncode == 1
    codes = [line["error"] and line["error"]["code"] for line in lines]
    assert codes == ["empty", *[None] * 3, *["cancelled"] * 9]
    digits("cancel", job)
    assert "0 pages cancelled" in digits.messages
    digits("retry", job, "--failed", code=1)
    assert digits.pages(job)["cancelled"] == 9
    for _ in range(2):
        digits("retry", job, code=1)
        assert digits.pages(job) == {"queued": 0, "running": 0, "done": 12, "failed": 1, "cancelled": 0}
