"""The queue with its real parts: a private redis-server and prefork workers as processes, some of which die."""

from __future__ import annotations

import base64
import json
import os
import pickle
import signal
import subprocess
import time
from pathlib import Path

import pytest

from .conftest import children_of, command_line, draw_page, let_go, readings, wait_until

pytestmark = pytest.mark.services


@pytest.fixture
def queue(digits, redis_server):
    digits.environment.setenv("DIGITS_BROKER_URL", redis_server.url)
    digits.environment.setenv("DIGITS_RESEND_AFTER", "2")
    return redis_server


def submit(digits, *arguments, code=0):
    return digits("submit", *arguments, code=code).strip()


def pool_processes(worker) -> list[int]:
    return [pid for pid in children_of(worker.pid) if "reconciler" not in command_line(pid)]


def all_finished(digits, job):
    counts = digits.pages(job)
    return counts["queued"] == counts["running"] == 0


def test_both_ways_of_running_give_the_same_bytes(digits, scans, queue):
    (scans / "more").mkdir()
    draw_page(scans / "more" / os.fsdecode(b"odd \xff,name.png"))
    local = digits("run", "scans", "--format", "jsonl", code=1)
    table = digits("results", digits.only_job(), "--format", "csv", code=1)
    worker = digits.start_worker()
    job = submit(digits, "scans", "--job", "same")
    digits("watch", job, code=1)
    assert digits("results", "same", "--format", "jsonl", code=1) == local
    assert digits("results", job, "--format", "csv", code=1) == table
    maps = {pid: Path(f"/proc/{pid}/maps").read_text() for pid in (worker.pid, *pool_processes(worker))}
    loaded = {pid: "cv2" in text or "litert" in text for pid, text in maps.items()}
    assert not loaded.pop(worker.pid), "what keeps threads and locks must not be there when the worker forks"
    assert any(loaded.values())
    assert submit(digits, "scans") == job
    assert "submitted before" in digits.messages
    assert queue.client().llen("digits") == 0
    assert queue.client().hlen("unacked") == 0


@pytest.mark.parametrize("victim", ["child", "worker", "everything"])
def test_whatever_is_killed_every_page_is_read_once(digits, held_scans, queue, victim):
    worker = digits.start_worker()
    job = submit(digits, "scans")
    digits.wait_for_done(3)
    if victim == "child":
        os.kill(pool_processes(worker)[0], signal.SIGKILL)
    elif victim == "worker":
        os.kill(worker.pid, signal.SIGKILL)
    else:
        os.killpg(worker.pid, signal.SIGKILL)
        queue.kill()
        queue.start()
    let_go(held_scans)
    if victim != "child":
        worker.wait()
        digits.start_worker()
    wait_until(lambda: all_finished(digits, job), "the job is finished")
    assert digits.pages(job) == {"queued": 0, "running": 0, "done": 12, "failed": 1, "cancelled": 0}


def test_a_deadly_page_is_poison_after_three_deliveries_and_the_rest_is_read(digits, scans, queue):
    draw_page(scans / "deadly.png")
    digits.with_faults()
    digits.start_worker()
    job = submit(digits, "scans")
    wait_until(lambda: all_finished(digits, job), "the job is finished")
    lines = readings(digits("results", job, "--format", "jsonl", code=1))
    codes = {line["document"]: line["error"]["code"] for line in lines if line["error"]}
    assert codes == {"scans/deadly.png": "poison", "scans/empty.png": "empty"}


def test_messages_that_come_twice_or_are_lost_change_nothing(digits, scans, queue):
    job = submit(digits, "scans")
    client = queue.client()
    messages = client.lrange("digits", 0, -1)
    assert len(messages) == 12
    client.delete("digits")
    client.lpush("digits", *messages[:4], *messages[:4])
    digits.start_worker()
    wait_until(lambda: all_finished(digits, job), "the lost pages are sent again")
    assert digits.pages(job)["done"] == 12
    with digits.ledger() as ledger, ledger.database.read() as connection:
        assert connection.exec_driver_sql("select max(deliveries) from digits_pages").scalar() == 1


def test_cancel_and_retry_work_without_workers_and_twice_in_a_row(digits, scans, queue):
    job = submit(digits, "scans")
    for _ in range(2):
        digits("cancel", job)
    assert digits.pages(job)["cancelled"] == 12
    digits("retry", job, "--failed")
    assert digits.pages(job) == {"queued": 1, "running": 0, "done": 0, "failed": 0, "cancelled": 12}
    for _ in range(2):
        digits("retry", job)
    assert digits.pages(job)["queued"] == 13
    digits("purge", "--yes")
    assert "nothing to delete" in digits.messages
    digits.start_worker()
    digits("watch", job, code=1)
    assert digits.pages(job) == {"queued": 0, "running": 0, "done": 12, "failed": 1, "cancelled": 0}


def test_a_file_that_vanishes_before_it_is_read_fails_alone(digits, scans, queue):
    job = submit(digits, "scans")
    (scans / "page-05.png").unlink()
    digits.start_worker()
    digits("watch", job, code=1)
    lines = readings(digits("results", job, "--format", "jsonl", code=1))
    assert [line["error"] and line["error"]["code"] for line in lines] == ["empty", *[None] * 5, "missing", *[None] * 6]


def test_forged_messages_are_refused_and_their_content_is_not_logged(digits, scans, queue):
    worker = digits.start_worker()
    client = queue.client()
    submit(digits, "scans/page-00.png")
    template = json.loads(wait_until(lambda: _captured(digits, client), "a message was captured"))

    def forge(body, task="digits.read_pages", content_type="application/json", encode=json.dumps):
        message = json.loads(json.dumps(template))
        message["headers"]["task"] = task
        message["content-type"] = content_type
        raw = encode(body)
        raw = raw.encode() if isinstance(raw, str) else raw
        message["body"] = base64.b64encode(raw).decode()
        message["properties"]["delivery_tag"] = os.urandom(8).hex()
        message["headers"]["id"] = os.urandom(8).hex()
        client.lpush("digits", json.dumps(message))

    trap = digits.folder / "trap-4711"

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(trap),)

    embed = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    forge([[], {"job": "0" * 12, "pages": [1]}, embed])
    forge([[], {"job": "4711-secret", "pages": [1]}, embed])
    forge([[], {"job": "0" * 12, "pages": list(range(1, 4712))}, embed])
    forge([["4711-secret"], {}, embed])
    forge([[], {"path": "/etc/4711-secret"}, embed])
    forge([[], {"job": "4711-secret"}, embed], task="os.system-4711")
    forge(Trap(), content_type="application/x-python-serialize", encode=pickle.dumps)
    client.lpush("digits", json.dumps({**template, "headers": {}, "body": base64.b64encode(b"4711").decode()}))
    job = submit(digits, "scans")
    digits("watch", job, code=1)
    log = worker.log.read_text()
    assert worker.poll() is None
    assert log.count("refused a message") >= 6
    assert "4711" not in log
    assert not trap.exists()


def _captured(digits, client):
    """Submit until a message is caught before a worker takes it."""
    with client.monitor() as monitor:
        submit(digits, "scans/page-01.png", "--again")
        for command in monitor.listen():
            words = command["command"]
            if words.startswith("LPUSH digits {"):
                return words.removeprefix("LPUSH digits ")
    return None


def test_sigterm_gives_back_the_pages_of_a_message_that_were_not_begun(digits, queue):
    """A message of many small pages does not hold up a stop: the page at hand is finished, the others wait again."""
    folder = digits.folder / "crops"
    folder.mkdir()
    for number in range(64 * 3):
        draw_page(folder / f"{number:04}-held.png", "7")
    digits.with_faults()
    worker = digits.start_worker()
    job = submit(digits, "crops")
    wait_until(lambda: digits.pages(job)["running"] == 6, "two messages of three pages are at hand")
    worker.send_signal(signal.SIGTERM)
    wait_until(lambda: b"shutdown" in worker.log.read_bytes(), "the worker stops")
    time.sleep(0.5)  # it says so a moment before it tells its processes
    let_go(folder)
    assert worker.wait(60) == 0
    assert digits.pages(job) == {"queued": 190, "running": 0, "done": 2, "failed": 0, "cancelled": 0}
    with digits.ledger() as ledger, ledger.database.read() as connection:
        counted = "select count(*) from digits_pages where deliveries > 0 or owner is not null"
        assert connection.exec_driver_sql(counted).scalar() == 2
    # Their messages are in the queue again, beside those that no worker has seen.
    assert queue.client().llen("digits") == 64


def test_sigterm_finishes_the_pages_at_hand(digits, held_scans, queue):
    worker = digits.start_worker()
    job = submit(digits, "scans")
    digits.wait_for_done(3)
    worker.send_signal(signal.SIGTERM)
    let_go(held_scans)
    assert worker.wait(60) == 0
    counts = digits.pages(job)
    assert counts["running"] == 0
    assert 3 < counts["done"] < 12


def test_a_worker_that_celery_gives_up_starts_again_in_its_place(digits, held_scans, queue, tmp_path):
    (give_up := tmp_path / "give-up").touch()
    digits.with_faults()
    digits.environment.setenv("FAULTS_GIVE_UP", str(give_up))
    worker = digits.start_worker()
    job = submit(digits, "scans")
    digits.wait_for_done(3)
    queue.kill()
    wait_until(lambda: not give_up.exists(), "the worker has lost its broker")
    let_go(held_scans)
    time.sleep(1.5)
    queue.start()
    wait_until(lambda: all_finished(digits, job), "the job is finished")
    assert worker.poll() is None
    assert worker.log.read_text().count("is ready") == 2
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 0


@pytest.mark.postgres
def test_a_postgresql_ledger_gives_the_same_results(digits, scans, queue, postgres_url):
    expected = digits("run", "scans", "--format", "jsonl", code=1)
    digits.environment.setenv("DIGITS_LEDGER_URL", postgres_url)
    digits.start_worker()
    job = submit(digits, "scans")
    digits("watch", job, code=1)
    assert digits("results", job, "--format", "jsonl", code=1) == expected
    assert "postgresql" in digits("doctor")


def test_doctor_tells_workers_queue_and_settings_without_passwords(digits, scans, queue):
    queue.client().config_set("requirepass", "hush-hush")
    digits.environment.setenv("DIGITS_BROKER_URL", queue.url.replace("//", "//:hush-hush@"))
    submit(digits, "scans")
    report = digits("doctor", code=1)
    assert "none answers, and pages wait: start one with digits worker" in report
    assert "no append-only file" in report
    assert "12 messages wait" in report
    worker = digits.start_worker()
    report = digits("doctor")
    assert f"digits-{worker.pid}@" in report
    assert "2 processes" in report
    assert "it last moved" in report or "no page of a queue job waits" in report
    assert "hush" not in report + worker.log.read_text()


def test_a_broker_out_of_reach_is_69_at_once_and_records_nothing(digits, scans, queue):
    queue.kill()
    digits("submit", "scans", code=69)
    assert "is out of reach" in digits.messages
    digits("worker", code=69)
    assert digits("jobs") == ""
    assert digits("doctor", code=69)


@pytest.mark.parametrize("url", ["memory://", "filesystem://", "sqla+sqlite:///x", "nonsense"])
def test_a_broker_that_would_lose_messages_is_refused(digits, scans, url):
    digits.environment.setenv("DIGITS_BROKER_URL", url)
    digits("submit", "scans", code=2)
    assert "redis://" in digits.messages
    assert digits("jobs") == ""


def test_a_broker_lost_after_the_job_was_recorded_loses_nothing(digits, scans, queue):
    job = submit(digits, "scans")
    queue.kill()
    queue.start()
    digits.start_worker()
    wait_until(lambda: all_finished(digits, job), "the pages are sent again")
    assert digits.pages(job)["done"] == 12


def test_a_running_page_of_a_worker_elsewhere_is_left_until_its_lease_ends(digits, scans, queue):
    digits.environment.setenv("DIGITS_LEASE", "1")
    digits.environment.setenv("DIGITS_PAGE_TIMEOUT", "1")
    job = submit(digits, "scans/page-00.png")
    with digits.ledger() as ledger:
        ids = [page.id for page in ledger.pages.queued(job)]
        ledger.pages.claim(job, ids, "elsewhere|1|2|3", 3.0, 3)
    digits.start_worker()
    wait_until(lambda: all_finished(digits, job), "the lease has ended")
    assert digits.pages(job)["done"] == 1


def test_watch_itself_sends_again_what_the_queue_lost(digits, scans, queue):
    job = submit(digits, "scans")
    queue.client().flushall()
    process = digits.start("watch", job, stderr=subprocess.PIPE)
    wait_until(lambda: queue.client().llen("digits") == 12, "the pages are sent again")
    digits.start_worker()
    assert process.wait(100) == 1
