"""What Flower asks of the application: to be found by its name, to answer, and to send events that quote nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from celery import Celery

from .conftest import PATIENCE

pytestmark = pytest.mark.services


def test_the_application_answers_and_its_events_tell_of_tasks_without_their_content(digits, scans, redis_server):
    digits.environment.setenv("DIGITS_BROKER_URL", redis_server.url)
    worker = digits.start_worker()
    command = [sys.executable, "-m", "celery", "-A", "worker.celery_app", "inspect", "registered", "--json"]
    result = subprocess.run(command, cwd=digits.folder, capture_output=True, text=True, timeout=120)
    ((name, tasks),) = json.loads(result.stdout).items()
    assert name.startswith(f"digits-{worker.pid}@")
    assert "%" not in name
    assert "digits.read_pages" in tasks

    viewer = Celery(broker=redis_server.url, set_as_current=False)
    viewer.control.enable_events()
    events: list[dict] = []
    submitted = []

    def note(event):
        events.append(event)
        if not submitted:  # the first sign of life
            submitted.append(digits("submit", "scans").strip())
        receiver.should_stop = sum(event["type"] == "task-succeeded" for event in events) >= 12

    with viewer.connection_for_read() as connection:
        receiver = viewer.events.Receiver(connection, handlers={"*": note})
        receiver.capture(limit=None, timeout=PATIENCE, wakeup=True)
    job = submitted[0]
    assert {event["name"] for event in events if event["type"] == "task-received"} == {"digits.read_pages"}
    assert job not in json.dumps(events)
    assert "page-" not in json.dumps(events)
