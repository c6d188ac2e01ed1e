"""What ``digits doctor`` says, case by case; the servers it asks are tried in test_queue.py."""

from __future__ import annotations

import time

import pytest

from worker.checks import drive_kind, examine
from worker.checks_broker import progress_findings, redis_findings, worker_findings
from worker.ledger import Ledger
from worker.ledger_counts import UnfinishedJob
from worker.records import NewPage
from worker.settings import Settings

SAFE = {
    "maxmemory_policy": "noeviction",
    "aof": "1",
    "aof_write": "ok",
    "snapshot": "ok",
    "maxmemory": "0",
    "used_memory": "1000000",
}
NOW = 1_000_000.0


def test_a_redis_that_keeps_its_messages_is_passed_over():
    assert list(redis_findings(SAFE)) == []
    assert list(redis_findings({**SAFE, "maxmemory": "2000000"})) == []


@pytest.mark.parametrize(
    ("found", "verdict", "advice"),
    [
        ({"maxmemory_policy": "allkeys-lru"}, "wrong", "set noeviction"),
        ({"aof": "0"}, "note", "set appendonly yes"),
        ({"aof_write": "err"}, "wrong", "disk full"),
        ({"snapshot": "err"}, "wrong", "disk full"),
        ({"maxmemory": "1100000"}, "wrong", "raise maxmemory"),
    ],
)
def test_what_loses_messages_is_said_with_what_to_do(found, verdict, advice):
    (finding,) = redis_findings({**SAFE, **found})
    assert finding.verdict == verdict
    assert advice in finding.text


def test_each_worker_tells_what_it_has_done():
    answer = {"total": {"digits.read_pages": 7}, "pool": {"processes": [1, 2]}, "uptime": 300}
    (finding,) = worker_findings({"digits-1@host": answer}, True)
    assert finding.text == "digits-1@host: 2 processes, 7 messages taken in 5 min"
    assert [finding.verdict for finding in worker_findings({}, True)] == ["wrong"]
    assert [finding.verdict for finding in worker_findings({}, False)] == ["note"]


@pytest.mark.parametrize(
    ("seconds", "workers", "messages", "running", "verdict", "advice"),
    [
        (5, True, 3, 2, "ok", "last moved 5 s ago"),
        (5, False, 3, 0, "ok", "last moved"),
        (9000, False, 3, 0, "wrong", "start one"),
        (9000, True, 3, 2, "wrong", "restart them"),
        (9000, True, 0, 0, "wrong", "no messages"),
    ],
)
def test_a_job_that_stands_still_is_told_from_one_that_moves(seconds, workers, messages, running, verdict, advice):
    job = UnfinishedJob("0" * 12, 4, running, NOW - seconds)
    (finding,) = progress_findings(Settings(), [job], workers, messages, NOW)
    assert finding.verdict == verdict
    assert advice in finding.text
    assert "4 pages wait" in finding.text


def test_a_page_may_take_as_long_as_it_may_before_its_job_counts_as_stalled():
    settings = Settings(page_timeout=3000)
    job = UnfinishedJob("0" * 12, 0, 1, NOW - 4000)
    assert [finding.verdict for finding in progress_findings(settings, [job], True, 0, NOW)] == ["ok"]


def test_the_drive_of_a_folder_is_the_one_mounted_nearest_to_it(tmp_path):
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/sda / ext4 rw 0 0\nserver:/x /srv nfs4 rw 0 0\nb /srv/two\\040words cifs rw 0 0\nbroken\n")
    places = ("/home/me", "/srv", "/srv/a/b", "/srvother", "/srv/two words/c")
    assert [drive_kind(place, mounts) for place in places] == ["ext4", "nfs4", "nfs4", "ext4", "cifs"]
    assert drive_kind("/srv", tmp_path / "none") == ""


def test_the_ledgers_findings_tell_version_room_and_the_page_that_waits_longest(environment, tmp_path):
    environment.setenv("DIGITS_LEDGER_URL", f"sqlite:///{tmp_path}/l")
    environment.setenv("DIGITS_BROKER_URL", "redis://user:hush@127.0.0.1:1/0")
    with Ledger(f"sqlite:///{tmp_path}/l") as ledger:
        job_id = ledger.jobs.create(name="", executor="queue", base="/", options={}, network="n")
        ledger.pages.add(job_id, [NewPage("a", 1)])
        ledger.jobs.activate(job_id, "k")
        (job,) = ledger.jobs.unfinished()
        assert (job.id, job.queued, job.running) == (job_id, 1, 0)
        assert time.time() - job.moved < 60
        found = list(examine(Settings()))
        texts = " ".join(finding.text for finding in found)
        assert "schema 2" in texts
        assert "GiB free" in texts
        assert "1 jobs are not finished; the page that waits longest" in texts
        assert [finding.subject for finding in found if finding.verdict == "unreachable"] == ["broker"]
        assert "hush" not in texts
        ledger.jobs.cancel(job_id)
        assert ledger.jobs.unfinished() == []
