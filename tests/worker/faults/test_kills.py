"""Whatever is killed, at whatever moment: every page ends once, with the bytes of an undisturbed run.

    pytest -m faults                                      20 rounds of each, about half an hour
    DIGITS_FAULT_ROUNDS=1 DIGITS_FAULT_SEED=7 pytest -m faults -k redis

Each round has servers, a ledger and processes of its own, is under load, and kills at random moments.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from worker.jobs import watch

from ..conftest import children_of, wait_until
from .conftest import CAP, OPTIONS, PAGES, Service, descendants, kill_all, wait_a_moment, without

pytestmark = pytest.mark.faults

SPAN = 3.0
"""Seconds that the job takes about when nothing is killed."""


def test_killing_processes_of_a_worker(service, chance):
    service.begin()
    for _ in range(2):
        wait_a_moment(chance, SPAN / 2)
        kill_all([chance.choice(children_of(service.workers[0].pid))])
    service.check_the_end()


def test_killing_a_worker_and_starting_another(service, chance):
    service.begin()
    service.start_worker()
    for _ in range(2):
        wait_a_moment(chance, SPAN / 2)
        victim = service.workers.pop(chance.randrange(2))
        orphans = descendants(victim.pid)
        kill_all([victim.pid])
        victim.wait()
        service.start_worker()
        wait_until(lambda pids=orphans: not any(os.path.exists(f"/proc/{pid}") for pid in pids), "orphans end")  # noqa: PTH110
    service.check_the_end()


def test_killing_whoever_submits(service, chance):
    service.start_worker()
    process = service.digits.start("submit", *OPTIONS, stdout=subprocess.PIPE)
    wait_a_moment(chance, 1.0)
    kill_all([process.pid])
    process.communicate()
    service.job = service.digits("submit", *OPTIONS).strip()
    service.check_the_end()
    assert service.digits.only_job() == service.job


def test_killing_whoever_watches(service, chance, broker):
    service.begin()
    for _ in range(2):
        process = service.digits.start("watch", service.job, stderr=subprocess.PIPE)
        wait_a_moment(chance, SPAN / 2)
        if chance.random() < 0.5:
            broker.client().delete("digits")
        kill_all([process.pid])
        process.communicate()
    service.digits("watch", service.job, code=1)
    service.check_the_end()


@pytest.mark.parametrize("kept", [True, False], ids=["with-its-file", "without-its-file"])
def test_killing_redis(service, chance, broker, kept):
    service.begin()
    for _ in range(2):
        wait_a_moment(chance, SPAN / 2)
        broker.kill()
        wait_a_moment(chance, 1.0)
        if not kept:
            # A folder since Redis 7, a file before.
            shutil.rmtree(broker.folder / "appendonlydir", ignore_errors=True)
            (broker.folder / "appendonly.aof").unlink(missing_ok=True)
            assert not list(broker.folder.glob("appendonly*"))
        broker.start(append_only=True)
    service.check_the_end()
    # Nothing is left of the job: neither messages nor, once Redis was empty, what was under way before.
    wait_until(lambda: broker.client().llen("digits") == 0, "the last copies are taken")


def test_killing_the_whole_machine(service, chance, broker):
    service.begin()
    watcher = service.digits.start("watch", service.job, stderr=subprocess.DEVNULL)
    for _ in range(2):
        wait_a_moment(chance, SPAN / 2)
        kill_all([watcher.pid])
        service.kill_workers()
        broker.kill()
        watcher.wait()
        broker.start(append_only=True)
        service.start_worker()
    service.check_the_end()


def test_killing_postgresql(postgres, digits, broker, undisturbed, chance):
    service = Service(digits, undisturbed)
    service.begin()
    # Who begins to watch while the server is down is told so at once; who watches already waits for it.
    with ThreadPoolExecutor(1) as pool:
        watched = pool.submit(watch, service.ledger, service.job, lambda _counts: None, tick=lambda: None)
        for _ in range(2):
            wait_a_moment(chance, SPAN / 2)
            postgres.stop(chance.choice([signal.SIGINT, signal.SIGQUIT, signal.SIGKILL]))
            wait_a_moment(chance, 1.0)
            postgres.start()
        service.check_the_end()
        assert watched.result().finished == PAGES + 1


def test_a_page_that_kills_its_process_is_poison_and_the_rest_finish(service, chance):
    number = chance.randrange(PAGES)
    (service.digits.folder / "pages" / f"brisk-{number:03}.png").rename(
        service.digits.folder / "pages" / f"brisk-{number:03}-deadly.png"
    )
    service.begin()
    wait_a_moment(chance, SPAN / 2)
    kill_all([chance.choice(children_of(service.workers[0].pid))])
    deadly, plain = (f"pages/brisk-{number:03}{tail}.png" for tail in ("-deadly", ""))
    service.wait_for_the_end()
    results = service.results()
    assert without(results, deadly) == without(service.undisturbed, plain)
    (failed,) = [line for line in results.splitlines() if "deadly" in line]
    assert '"code": "poison"' in failed
    service.check_the_end(results)
    assert service.reads()[deadly.partition("/")[2]] <= CAP


def test_killing_processes_of_a_run_and_the_run_itself(service, chance):
    digits = service.digits
    process = digits.start("run", *OPTIONS, "--workers", "2", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_a_moment(chance, SPAN)
    if readers := descendants(process.pid):
        kill_all([chance.choice(readers)])
    wait_a_moment(chance, SPAN / 2)
    process.send_signal(chance.choice([signal.SIGKILL, signal.SIGTERM]))
    ended = process.wait(60)
    results = digits("run", *OPTIONS, "--workers", "2", "--format", "jsonl", code=1)
    assert results == service.undisturbed
    # A run that was complete before the signal came is followed by one that reads everything anew.
    jobs = service.ledger.jobs.latest(3)
    assert len(jobs) == (2 if ended == 1 else 1)
    service.job = jobs[0].id
    service.check_the_end()
