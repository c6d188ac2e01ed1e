"""Forged messages against a real worker: refused, logged without their content, and the worker goes on."""

from __future__ import annotations

import base64
import json
import os
import pickle
import zlib

import pytest

from worker.ledger_schema import pages_table

from .conftest import draw_page, readings, wait_until

pytestmark = pytest.mark.services

EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
MARK = "trap-4711"


@pytest.fixture
def queue(digits, redis_server):
    digits.environment.setenv("DIGITS_BROKER_URL", redis_server.url)
    digits.environment.setenv("DIGITS_RESEND_AFTER", "2")
    return redis_server


@pytest.fixture
def genuine(digits, scans, queue):
    """A message of ours, not taken by any worker; and the job that it belongs to."""
    job = digits("submit", "scans/page-00.png").strip()
    return job, json.loads(queue.client().lindex("digits", 0))


def forged(template, body, **changes):
    message = json.loads(json.dumps(template))
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    message["body"] = base64.b64encode(raw).decode()
    message["properties"]["delivery_tag"] = os.urandom(8).hex()
    message["content-type"] = changes.pop("content_type", "application/json")
    for name, value in changes.items():
        message["headers"][name] = value
    return message


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_what_is_not_ours_is_refused_without_a_word_of_it_and_the_worker_goes_on(digits, scans, queue, genuine):
    job, template = genuine
    trap = digits.folder / MARK
    ours = {"job": job, "pages": [1]}
    good = [[], ours, EMBED]
    bomb = zlib.compress(b'"' + b"4711" * 2**22 + b'"')
    envelopes = [
        forged(template, [[], {"job": MARK, "pages": [1]}, EMBED]),
        forged(template, [[], {"job": job, "pages": [2**70]}, EMBED]),
        forged(template, [[], {"job": job, "pages": ["1"]}, EMBED]),
        forged(template, [[], {"job": job, "pages": list(range(1, 4712))}, EMBED]),
        forged(template, [[], {**ours, "path": f"/etc/{MARK}"}, EMBED]),
        forged(template, [[MARK], ours, EMBED]),
        forged(template, [[], ours, {**EMBED, "chain": [{"task": MARK}]}]),
        forged(template, [MARK] * 100_000),
        forged(template, 4711),
        forged(template, [1, 2, 3, 4711]),
        forged(template, b"\xff4711"),
        forged(template, b"[" * 5000 + MARK.encode()),
        forged(template, bomb, compression="application/x-gzip"),
        forged(template, pickle.dumps(Trap(trap)), content_type="application/x-python-serialize"),
        forged(template, good, task=f"os.system-{MARK}"),
        forged(template, good, task="celery.map"),
        forged(template, good, task=[MARK]),
        forged(template, good, id=f"{MARK}\nforged line"),
        forged(template, good, eta="2999-01-01T00:00:00"),
        forged(template, good, eta=MARK),
        forged(template, good, shadow=MARK),
        forged(template, good, timelimit=[0.001, 0.001]),
        {**forged(template, good), "headers": {}},
        {**forged(template, good), "headers": MARK},
    ]
    raw = [b"not JSON 4711", json.dumps({MARK: 1}).encode(), json.dumps([MARK]).encode()]
    client = queue.client()
    worker = digits.start_worker("--concurrency", "1")
    wait_until(lambda: digits.pages(job)["done"] == 1, "the genuine message is read")
    for envelope in envelopes:
        client.lpush("digits", json.dumps(envelope))
    for text in raw:
        client.lpush("digits", text)
    wait_until(lambda: client.llen("digits") == 0, "the worker has taken all")
    control = forged(template, {"method": MARK, "arguments": {}, "destination": None})
    for key in client.scan_iter("_kombu.binding.celery.pidbox"):
        for member in client.smembers(key):
            client.lpush(member.split(b"\x06\x16")[-1], json.dumps(control))
    later = digits("submit", "scans").strip()
    digits("watch", later, code=1)
    assert digits.pages(later)["done"] == 12
    assert worker.poll() is None
    log = worker.log.read_text()
    assert log.count("refused a message") == len(envelopes) + len(raw)
    assert "4711" not in log
    assert "forged line" not in log
    assert not trap.exists()
    assert client.hlen("unacked") == 0


def test_a_page_outside_the_roots_is_not_opened_whoever_wrote_it_into_the_ledger(digits, scans, queue, tmp_path):
    outside = draw_page(tmp_path.parent / f"{tmp_path.name}-outside-4711.png")
    (scans / "link.png").symlink_to(outside)
    job = digits("submit", "scans/page-00.png", "scans/page-01.png", "scans/link.png", "scans/page-02.png").strip()
    with digits.ledger() as ledger, ledger.database.write() as connection:
        for old, new in (("page-00", str(outside)), ("page-01", "memory://4711/x.png")):
            connection.execute(
                pages_table.update().where(pages_table.c.document == f"scans/{old}.png").values(document=new)
            )
    worker = digits.start_worker()
    digits("watch", job, code=1)
    lines = readings(digits("results", job, "--format", "jsonl", code=1))
    codes = [line["error"] and line["error"]["code"] for line in lines]
    assert codes == ["outside_roots", "outside_roots", "outside_roots", None]
    assert "refused a document" in worker.log.read_text()
    assert "4711" not in worker.log.read_text()
    outside.unlink()
