"""The ``digits`` command as processes, and small documents for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest

from worker.ledger import Ledger
from worker.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
FAULTS = Path(__file__).parent / "faults"
PATIENCE = 300


def draw_page(path: Path, text: str = "407") -> Path:
    image = np.full((48, 40 + 26 * len(text)), 255, np.uint8)
    cv2.putText(image, text, (14, 36), cv2.FONT_HERSHEY_SIMPLEX, 1, 0, 2)
    # The name goes past OpenCV: it may hold any bytes.
    path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
    return path


def wait_until(condition, what: str):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"waited too long until {what}")


def children_of(pid: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(stat.parent.name))
    return sorted(found)


def command_line(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


class Digits:
    """Runs the command, in the environment of the test, from its folder."""

    def __init__(self, folder: Path, environment) -> None:
        self.folder = folder
        self.environment = environment
        self.started: list[subprocess.Popen[bytes]] = []

    def __call__(self, *arguments, code=0) -> str:
        result = subprocess.run(self.command(arguments), cwd=self.folder, capture_output=True, timeout=PATIENCE * 2)
        self.messages = result.stderr.decode(errors="surrogateescape")
        assert result.returncode == code, (result.returncode, self.messages)
        assert "Traceback" not in self.messages
        return result.stdout.decode(errors="surrogateescape")

    def start(self, *arguments, **options) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            self.command(arguments),
            cwd=self.folder,
            start_new_session=True,
            # A shell ignores SIGINT on behalf of what it starts in the background, these tests perhaps.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            **options,
        )
        self.started.append(process)
        return process

    def start_worker(self, *arguments) -> subprocess.Popen[bytes]:
        number = len(self.started)
        log = self.folder / f"worker-{number}.log"
        with log.open("wb") as stream:
            process = self.start("worker", "--concurrency", "2", *arguments, stdout=stream, stderr=stream)
        process.log = log
        wait_until(lambda: b"is ready" in log.read_bytes() or process.poll() is not None, "the worker is ready")
        assert process.poll() is None, log.read_text()
        return process

    def command(self, arguments) -> list[str]:
        return [sys.executable, "-m", "worker.cli", *map(str, arguments)]

    def with_faults(self) -> None:
        self.environment.setenv("PYTHONPATH", os.pathsep.join((str(FAULTS), str(ROOT))))

    def ledger(self) -> Ledger:
        settings = load_settings()
        return Ledger(settings.ledger_url, settings.connect_timeout)

    def only_job(self) -> str:
        with self.ledger() as ledger:
            jobs = ledger.jobs.latest(10)
        assert len(jobs) == 1
        return jobs[0].id

    def pages(self, job: str) -> dict[str, int]:
        with self.ledger() as ledger:
            counts = ledger.jobs.count(job)
        return {name: getattr(counts, name) for name in ("queued", "running", "done", "failed", "cancelled")}

    def wait_for_done(self, number: int) -> str:
        def done():
            with self.ledger() as ledger:
                jobs = [job for job in ledger.jobs.latest(5) if job.state == "active"]
                return [job.id for job in jobs if ledger.jobs.count(job.id).done >= number]

        return wait_until(done, f"{number} pages are read")[0]

    def stop(self) -> None:
        for process in self.started:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def digits(tmp_path, environment):
    folder = tmp_path / "desk"
    folder.mkdir()
    runner = Digits(folder, environment)
    yield runner
    runner.stop()


@pytest.fixture
def scans(digits):
    """A folder of documents beside the command: twelve pages and one that cannot be read."""
    folder = digits.folder / "scans"
    folder.mkdir()
    for number in range(12):
        draw_page(folder / f"page-{number:02}.png", str(40_700 + number))
    (folder / "empty.png").touch()
    return folder


@pytest.fixture
def held_scans(digits, scans):
    """The same, but from the fourth page on each waits until `let_go` is called."""
    for path in sorted(scans.glob("page-*"))[3:]:
        path.rename(path.with_stem(f"{path.stem}-held"))
    digits.with_faults()
    return scans


def let_go(scans: Path) -> None:
    (scans / "go").touch()


def readings(jsonl: str) -> list[dict]:
    return [json.loads(line) for line in jsonl.splitlines()]
