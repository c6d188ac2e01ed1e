"""Two machines, as far as one can have two: namespaces of network, processes and name, and a cable that is pulled."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

from ..conftest import wait_until
from .conftest import descendants, kill_all

pytestmark = [pytest.mark.faults, pytest.mark.postgres]

# Of the block for benchmarks (RFC 2544), nobody's; two runs at a time, or one that was killed, are not in the way.
NETWORK = f"198.18.{os.getpid() % 250}"


class Relay:
    """Lets the other machines reach a server that listens on 127.0.0.1 alone."""

    def __init__(self, address: str, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server((address, 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
            except OSError:
                return
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    @staticmethod
    def _copy(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


class Hosts:
    """A switch with machines on it."""

    def __init__(self) -> None:
        self._tag = f"dg{os.getpid() % 100_000}"
        self.address = f"{NETWORK}.1"
        self.names = ("a", "b")
        run("ip", "link", "add", self._tag, "type", "bridge")
        run("ip", "address", "add", f"{self.address}/24", "dev", self._tag)
        run("ip", "link", "set", self._tag, "up")
        for number, name in enumerate(self.names, start=2):
            space, cable = self._tag + name, f"{self._tag}{name}0"
            run("ip", "netns", "add", space)
            run("ip", "link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", space)
            run("ip", "link", "set", cable, "master", self._tag, "up")
            run("ip", "-n", space, "address", "add", f"{NETWORK}.{number}/24", "dev", "eth0")
            run("ip", "-n", space, "link", "set", "eth0", "up")
            run("ip", "-n", space, "link", "set", "lo", "up")

    def remove(self) -> None:
        for name in self.names:
            with suppress(subprocess.CalledProcessError):
                run("ip", "netns", "delete", self._tag + name)
            with suppress(subprocess.CalledProcessError):
                run("ip", "link", "delete", f"{self._tag}{name}0")
        with suppress(subprocess.CalledProcessError):
            run("ip", "link", "delete", self._tag)

    def inside(self, name: str) -> list[str]:
        """Return what to write before a command so that it runs on a machine."""
        spaces = ["unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]
        rename = f'hostname host-{name}; exec "$@"'
        return ["ip", "netns", "exec", self._tag + name, *spaces, "sh", "-c", rename, "sh"]

    def cut(self, name: str) -> None:
        run("ip", "link", "set", f"{self._tag}{name}0", "down")

    def join(self, name: str) -> None:
        run("ip", "link", "set", f"{self._tag}{name}0", "up")


@pytest.fixture
def hosts():
    missing = [program for program in ("ip", "unshare", "hostname") if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    found = Hosts.__new__(Hosts)
    try:
        found.__init__()
        run(*found.inside("a"), "true")
    except subprocess.CalledProcessError as error:
        found.remove()
        pytest.skip(f"namespaces may not be made here: {error.stderr.strip()}")
    yield found
    found.remove()


@pytest.fixture
def servers(hosts, digits, postgres, broker):
    """The URLs of broker and ledger as the machines see them."""
    port = int(postgres.url.rpartition(":")[2].partition("/")[0])
    relays = [Relay(hosts.address, number) for number in (broker.port, port)]
    yield {
        "DIGITS_BROKER_URL": f"redis://{hosts.address}:{relays[0].port}/0",
        "DIGITS_LEDGER_URL": f"postgresql://digits@{hosts.address}:{relays[1].port}/postgres",
    }
    for relay in relays:
        relay.close()


@pytest.fixture
def machines(hosts, digits, servers, service):
    """A worker on each machine, both ready."""
    for variable, value in (("DIGITS_PAGE_TIMEOUT", "10"), ("DIGITS_LEASE", "1"), ("DIGITS_CONNECT_TIMEOUT", "2")):
        digits.environment.setenv(variable, value)
    workers = {}
    for name in hosts.names:
        log = digits.folder / f"host-{name}.log"
        command = [*hosts.inside(name), sys.executable, "-m", "worker.cli", "worker", "--concurrency", "1"]
        with log.open("wb") as stream:
            worker = subprocess.Popen(
                command, cwd=digits.folder, env={**os.environ, **servers}, stdout=stream, stderr=stream
            )
        worker.log = log
        workers[name] = worker
    for worker in workers.values():
        wait_until(lambda it=worker: b"is ready" in it.log.read_bytes() or it.poll() is not None, "a worker is ready")
        assert worker.poll() is None, worker.log.read_text()
    yield workers
    for worker in workers.values():
        kill_all([worker.pid, *descendants(worker.pid)])
        worker.wait()


def owners(service) -> set[str]:
    """The machines that are reading now."""
    with service.ledger.database.read() as connection:
        query = "select distinct owner from digits_pages where state = 'running'"
        return {owner.partition("|")[0] for owner in connection.exec_driver_sql(query).scalars()}


@pytest.mark.parametrize("how_long", ["briefly", "until the other has done it all"])
def test_a_machine_cut_off_and_brought_back_changes_no_byte(hosts, digits, postgres, service, machines, how_long):
    service.job = digits("submit", "pages", "--layout", "line").strip()
    digits.wait_for_done(10)
    wait_until(lambda: "host-a" in owners(service), "machine a has a page at hand")
    hosts.cut("a")
    if how_long == "briefly":
        time.sleep(3)
    else:
        service.wait_for_the_end()
    hosts.join("a")
    service.check_the_end()
    assert all(worker.poll() is None for worker in machines.values())

    # Brought back, it works: alone it reads the same pages again, and to the same bytes.
    machines["b"].send_signal(signal.SIGTERM)
    kill_all([machines["b"].pid, *descendants(machines["b"].pid)])
    again = digits("submit", "pages", "--layout", "line", "--again").strip()
    service.job = again
    service.wait_for_the_end()
    assert service.results() == service.undisturbed
