from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from worker.logs import without_secrets

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import logging
from worker.logs import about, set_up_logging
set_up_logging("INFO")
log = logging.getLogger("worker.test")
with about("0123456789ab", 7):
    log.info("page took %d s", 3)
try:
    raise ValueError("what the page says: 90210")
except ValueError:
    log.exception("it failed")
log.warning("no way to redis://user:hush@host:1/0?password=hush and amqp://:hush@h\\nsecond line")
"""


def lines(environment, form):
    environment.setenv("DIGITS_LOG_FORMAT", form)
    result = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert result.returncode == 0, result.stderr
    assert "hush" not in result.stderr
    assert "90210" not in result.stderr
    return result.stderr.splitlines()


def test_json_has_one_object_a_line_with_ids_and_places(environment):
    first, second, third = map(json.loads, lines(environment, "json"))
    assert (first["message"], first["level"]) == ("page took 3 s", "INFO")
    assert (first["job"], first["page"]) == ("0123456789ab", 7)
    assert first["time"].endswith("+00:00")
    assert second["error"] == "ValueError"
    assert second["where"] == ["<string>:9 <module>"]
    assert "page" not in second
    assert "***@host:1" in third["message"]


def test_text_has_the_same_for_people(environment):
    found = lines(environment, "text")
    assert found[0].endswith("INFO worker.test: page took 3 s [job 0123456789ab page 7]")
    assert found[-1].startswith("2") or "second line" in found[-1]
    assert any(line.strip() == "ValueError" for line in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("redis://:hush@h/0", "redis://***@h/0"),
        ("postgresql://h/d?user=a&password=hush&x=1", "postgresql://h/d?user=a&password=***&x=1"),
        ("connect(password=hush host=h)", "connect(password=*** host=h)"),
        ("mail me@example.org about https://h/a@b", "mail me@example.org about https://h/a@b"),
    ],
)
def test_credentials_are_masked_wherever_they_stand(text, expected):
    assert without_secrets(text) == expected


@pytest.mark.services
def test_a_workers_log_names_job_and_page_and_nothing_that_was_read(digits, scans, redis_server):
    digits.environment.setenv("DIGITS_BROKER_URL", redis_server.url)
    job = digits("submit", "scans").strip()
    # Gone before anyone can have read it.
    (scans / "page-07.png").unlink()
    worker = digits.start_worker("--log-format", "json", "--log-level", "DEBUG")
    digits("watch", job, code=1)
    # Every line is written before the ledger hears of the page it is about.
    log = worker.log.read_text()
    records = [json.loads(line) for line in log.splitlines()]
    messages = [record["message"] for record in records]
    assert any("is ready" in message for message in messages)
    taken = {record["page"] for record in records if record.get("job") == job and "took" in record["message"]}
    assert len(taken) == 12
    assert [message for message in messages if "page failed" in message] == ["page failed: missing"]
    assert not any(word in log for word in ("page-07", "scans", "4070"))
