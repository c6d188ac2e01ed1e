from __future__ import annotations

from pathlib import Path

import pytest

from worker.checks_security import security_findings
from worker.settings import Settings


def texts(**values) -> str:
    values = {"data_roots": (Path.cwd(),), "ledger_url": "sqlite:////nowhere/ledger", **values}
    return "\n".join(f"{item.verdict} {item.subject} {item.text}" for item in security_findings(Settings(**values)))


def test_what_only_this_machine_reaches_is_fine(environment):
    assert texts() == ""
    for broker in ("redis://127.0.0.1/0", "redis://localhost/0", "amqp://guest:guest@[::1]//", "redis+socket:///tmp/s"):
        assert texts(broker_url=broker) == ""
    assert texts(ledger_url="postgresql:///digits") == texts(metrics_port=9464) == ""


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"broker_url": "redis://queue.example/0"}, "note broker it is elsewhere and asks for no password"),
        ({"broker_url": "redis://:hush@queue.example/0"}, "note broker the way to it is not encrypted; use rediss://"),
        ({"broker_url": "amqp://a:hush@queue.example//"}, "use amqps://"),
        ({"ledger_url": "postgresql://a:hush@db.example/d"}, "note ledger the way to it may not be encrypted"),
        ({"data_roots": (Path("/"),)}, "wrong roots"),
        ({"data_roots": (Path("/no/such/folder"),)}, "there is no folder /no/such/folder"),
        ({"metrics_port": 9464, "metrics_host": "0.0.0.0"}, "note metrics"),
    ],
)
def test_what_others_reach_is_said_with_what_to_do(environment, values, words):
    found = texts(**values)
    assert words in found
    assert "hush" not in found


@pytest.mark.parametrize(
    "values",
    [{"broker_url": "rediss://:p@h/0"}, {"ledger_url": "postgresql://h/d?sslmode=verify-full"}],
)
def test_what_is_encrypted_is_fine(environment, values):
    assert texts(**values) == ""


def test_a_ledger_that_others_may_read_is_said(environment, tmp_path):
    ledger = tmp_path / "ledger"
    ledger.touch()
    tmp_path.chmod(0o755)
    ledger.chmod(0o644)
    assert "others on this machine may read" in texts(ledger_url=f"sqlite:///{ledger}")
    ledger.chmod(0o600)
    assert texts(ledger_url=f"sqlite:///{ledger}") == ""
