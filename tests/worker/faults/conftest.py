"""A job whose undisturbed results are known, an audit of its ledger, and servers of our own to kill."""

from __future__ import annotations

import io
import os
import pwd
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from extractor import export
from extractor.errors import UnavailableError
from worker.jobs import collect

from ...conftest import free_port
from ..conftest import FAULTS, ROOT, Digits, children_of, command_line, draw_page, readings, wait_until

ROUNDS = int(os.environ.get("DIGITS_FAULT_ROUNDS", "20"))
SEED = int(os.environ.get("DIGITS_FAULT_SEED", str(random.SystemRandom().randrange(10**9))))
CAP = 3
PAGES = 130
OPTIONS = ("pages", "--layout", "line")

_AUDIT_SQLITE = """
create table audit (page integer, state text);
create trigger audit_new after insert on digits_pages when new.state in ('done', 'failed', 'cancelled')
begin insert into audit values (new.id, new.state); end;
create trigger audit_changed after update of state on digits_pages
when new.state in ('done', 'failed', 'cancelled')
begin insert into audit values (new.id, new.state); end;
"""
_AUDIT_POSTGRES = """
create table audit (page bigint, state text);
create function audit_page() returns trigger language plpgsql as
'begin insert into audit values (new.id, new.state); return new; end';
create trigger audit after insert or update of state on digits_pages for each row
when (new.state in ('done', 'failed', 'cancelled')) execute function audit_page()
"""


def pytest_generate_tests(metafunc):
    if "round_number" in metafunc.fixturenames:
        metafunc.parametrize("round_number", range(1, ROUNDS + 1))


@pytest.fixture
def chance(request, round_number):
    """Random numbers of this round alone; DIGITS_FAULT_SEED brings them back."""
    print(f"DIGITS_FAULT_SEED={SEED}")
    return random.Random(f"{SEED} {request.function.__name__} {round_number}")


@pytest.fixture(scope="session")
def pages(tmp_path_factory) -> Path:
    """Small pages of one digit that take a few hundredths of a second each, and one file that is no document."""
    folder = tmp_path_factory.mktemp("faults") / "pages"
    folder.mkdir()
    for number in range(PAGES):
        draw_page(folder / f"brisk-{number:03}.png", str(number % 10))
    (folder / "empty.png").touch()
    return folder


@pytest.fixture(scope="session")
def undisturbed(pages) -> str:
    """What an undisturbed run gives, as JSON Lines."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DIGITS_")}
    state = pages.parent / "state"
    command = [sys.executable, "-m", "worker.cli", "run", *OPTIONS, "--format", "jsonl"]
    environment = {**kept, "PYTHONPATH": str(ROOT), "XDG_STATE_HOME": str(state)}
    result = subprocess.run(command, cwd=pages.parent, env=environment, stdout=subprocess.PIPE, check=False)
    assert result.returncode == 1
    return result.stdout.decode()


@pytest.fixture
def digits(tmp_path, environment, pages):
    """The command beside a copy of the pages, with faults by name, and every attempt to read a page counted."""
    folder = tmp_path / "desk"
    shutil.copytree(pages, folder / "pages")
    for variable, value in (
        ("PYTHONPATH", os.pathsep.join((str(FAULTS), str(ROOT)))),
        ("FAULTS_READS", str(tmp_path / "reads")),
        ("DIGITS_RESEND_AFTER", "2"),
    ):
        environment.setenv(variable, value)
    runner = Digits(folder, environment)
    yield runner
    runner.stop()


@pytest.fixture
def broker(digits, redis_server):
    """Redis with an append-only file."""
    redis_server.kill()
    redis_server.start(append_only=True)
    digits.environment.setenv("DIGITS_BROKER_URL", redis_server.url)
    return redis_server


class Service:
    """A job on the queue, its workers, and what must hold at its end."""

    def __init__(self, digits: Digits, undisturbed: str) -> None:
        self.digits = digits
        self.undisturbed = undisturbed
        self.workers: list[subprocess.Popen[bytes]] = []
        self.job = ""
        self.ledger = ledger = digits.ledger()
        with ledger.database.write() as connection:
            if ledger.database.dialect == "sqlite":
                connection.connection.driver_connection.executescript(_AUDIT_SQLITE)
                connection.exec_driver_sql("begin")
            else:
                for statement in _AUDIT_POSTGRES.split(";\n"):
                    connection.exec_driver_sql(statement)

    def begin(self) -> None:
        """Start a worker, and give it the job."""
        self.start_worker()
        self.job = self.digits("submit", *OPTIONS).strip()

    def start_worker(self) -> None:
        self.workers.append(self.digits.start_worker())

    def kill_workers(self) -> None:
        """Kill workers with all that they started, as a machine that loses its power would."""
        for worker in self.workers:
            kill_all([worker.pid, *descendants(worker.pid)])
            worker.wait()
        self.workers.clear()

    def check_the_end(self, expected: str | None = None) -> None:
        """Wait for the job, and hold it to all that was promised."""
        self.wait_for_the_end()
        assert self.results() == (self.undisturbed if expected is None else expected)
        with self.ledger.database.read() as connection:
            query = "select p.id, p.state, p.deliveries, (select count(*) from audit a where a.page = p.id) as ended"
            rows = connection.exec_driver_sql(query + " from digits_pages p").all()
            counted = Counter(row.state for row in rows)
        counts = self.ledger.jobs.count(self.job)
        assert {state: getattr(counts, state) for state in counted} == counted
        assert [row for row in rows if row.ended != 1] == [], "a page ended more than once"
        assert max(row.deliveries for row in rows) <= CAP
        assert max(self.reads().values()) <= CAP

    def reads(self) -> Counter[str]:
        """Return how often each page was begun."""
        return Counter(Path(os.environ["FAULTS_READS"]).read_text(encoding="utf-8").splitlines())

    def wait_for_the_end(self) -> None:
        """Wait until no page of the job waits or is being read."""

        def finished() -> bool:
            time.sleep(0.2)
            with suppress(UnavailableError):
                return not self.ledger.jobs.count(self.job).unfinished
            return False

        wait_until(finished, f"job {self.job} is finished")

    def results(self) -> str:
        """Return what `digits results` writes as JSON Lines."""
        stream = io.StringIO()
        export.write(collect(self.ledger, self.job), "jsonl", stream)
        return stream.getvalue()


@pytest.fixture
def service(digits, broker, undisturbed):
    found = Service(digits, undisturbed)
    yield found
    found.ledger.close()


def descendants(pid: int) -> list[int]:
    """Return a process's children, their children, and so on."""
    found = children_of(pid)
    return found + [other for child in found for other in descendants(child)]


def kill_all(pids: list[int]) -> None:
    """Kill processes with the signal that cannot be caught."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


class PostgresCluster:
    """A PostgreSQL cluster of our own that can be killed and started again.

    PostgreSQL refuses to run as root; where the tests do, it runs as its own user or as nobody.
    """

    def __init__(self, programs: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="digits-postgres-"))
        self._programs = programs
        self._user = next(name for name in ("postgres", "nobody") if _exists(name)) if os.geteuid() == 0 else None
        if self._user is not None:
            os.chown(self.folder, pwd.getpwnam(self._user).pw_uid, -1)
        self._port = free_port()
        self.url = f"postgresql://digits@127.0.0.1:{self._port}/postgres"
        self._server: subprocess.Popen[bytes] | None = None
        options = ("--auth", "trust", "--username", "digits", "--encoding", "UTF8", "--no-sync")
        code = self._run("initdb", "--pgdata", "data", *options).wait()
        assert code == 0, self._messages()

    def start(self) -> None:
        """Start the server, and wait until it answers; after a kill it first repairs what was left."""
        import psycopg

        # Processes are killed here, not the kernel, which keeps what they wrote: syncing would only take time.
        self._server = self._run(
            "postgres",
            "-D",
            "data",
            "-p",
            str(self._port),
            "-h",
            "127.0.0.1",
            "-c",
            "unix_socket_directories=",
            "-c",
            "fsync=off",
        )

        def answers() -> bool:
            assert self._server is not None
            assert self._server.poll() is None, self._messages()
            with suppress(psycopg.OperationalError), psycopg.connect(self.url, connect_timeout=2):
                return True
            return False

        wait_until(answers, "PostgreSQL answers")

    def stop(self, how: signal.Signals) -> None:
        """Stop the server: SIGINT ends sessions in order, SIGQUIT is its own crash, SIGKILL tidies nothing up."""
        if self._server is None:
            return
        processes = descendants(self._server.pid)
        self._server.send_signal(how)
        if how == signal.SIGKILL:
            kill_all(processes)
        self._server.wait()
        self._server = None
        wait_until(lambda: not any(map(command_line, processes)), "the server's processes are gone")

    def remove(self) -> None:
        """Leave nothing."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [self._programs / program, *arguments]
        with (self.folder / "messages").open("ab") as stream:
            return subprocess.Popen(
                command, cwd=self.folder, user=self._user, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
            )

    def _messages(self) -> str:
        return (self.folder / "messages").read_text(errors="replace")


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


@pytest.fixture(scope="session")
def postgres_programs() -> Path:
    """The folder of PostgreSQL's server programs."""
    pytest.importorskip("psycopg")
    on_path = shutil.which("initdb")
    places = [Path(on_path)] if on_path else sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not places:
        pytest.skip("PostgreSQL's server programs (initdb, postgres) are not installed")
    return places[-1].parent


@pytest.fixture
def postgres(postgres_programs, digits):
    cluster = PostgresCluster(postgres_programs)
    try:
        cluster.start()
        digits.environment.setenv("DIGITS_LEDGER_URL", cluster.url)
        yield cluster
    finally:
        cluster.remove()


def wait_a_moment(chance: random.Random, longest: float) -> None:
    """Sleep for a random time of so many seconds at most."""
    time.sleep(chance.uniform(0, longest))


def without(jsonl: str, document: str) -> list[dict]:
    """Return all readings but one document's."""
    return [reading for reading in readings(jsonl) if reading["document"] != document]
