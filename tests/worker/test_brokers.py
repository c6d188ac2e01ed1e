"""Other brokers than a plain Redis: behind a password, behind TLS, and RabbitMQ."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
import uuid

import pytest
from kombu import Connection

from ..conftest import free_port, redis_executable
from .conftest import readings, wait_until

SECRET = "hush-4711"
pytestmark = pytest.mark.services


def whole_job(digits):
    """Run a job through the queue, and return everything that was printed, logged or answered on the way."""
    worker = digits.start_worker("--log-level", "DEBUG")
    job = digits("submit", "scans").strip()
    said = digits.messages
    digits("watch", job, code=1)
    said += digits.messages
    lines = readings(digits("results", job, "--format", "jsonl", code=1))
    assert sum(line["error"] is None for line in lines) == 12
    said += digits("doctor") + digits.messages
    worker.terminate()
    assert worker.wait(60) == 0
    return said + worker.log.read_text()


def broken(digits):
    """Return what the commands say when the broker does not let them in."""
    digits("submit", "scans", "--again", code=69)
    said = digits.messages
    digits("worker", code=69)
    return said + digits.messages + digits("doctor", code=69) + digits.messages


@pytest.fixture
def secured(digits, tmp_path):
    """A redis-server with a certificate of our own, a password, and no port without TLS."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl here")
    folder = tmp_path / "tls"
    folder.mkdir()
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    new = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*new, "-keyout", "key.pem", "-out", "cert.pem"], cwd=folder, check=True, capture_output=True)
    port = free_port()
    options = ["--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no", "--tls-cert-file", "cert.pem"]
    options += ["--tls-key-file", "key.pem", "--tls-ca-cert-file", "cert.pem", "--requirepass", SECRET, "--save", ""]
    server = subprocess.Popen([redis_executable(), *options], cwd=folder, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    if server.poll() is not None:
        pytest.skip("this redis-server was built without TLS")
    yield f"rediss://:{SECRET}@localhost:{port}/0?ssl_cert_reqs=required&ssl_ca_certs={folder}/cert.pem"
    server.kill()
    server.wait()


def test_redis_behind_tls_and_a_password_works_and_the_password_shows_nowhere(digits, scans, secured):
    digits.environment.setenv("DIGITS_BROKER_URL", secured)
    said = whole_job(digits)
    assert "rediss://***@localhost" in said
    # Whoever does not prove to know the authority, or the password, is not spoken to.
    digits.environment.setenv("DIGITS_BROKER_URL", secured.partition("&ssl_ca_certs")[0])
    said += broken(digits)
    digits.environment.setenv("DIGITS_BROKER_URL", secured.replace(f"{SECRET}@", f"wrong-{SECRET}@"))
    said += broken(digits)
    assert "hush" not in said
    assert "4711" not in said


def test_redis_behind_a_password_works_and_the_password_shows_nowhere(digits, scans, redis_server):
    redis_server.client().config_set("requirepass", SECRET)
    digits.environment.setenv("DIGITS_BROKER_URL", redis_server.url.replace("//", f"//:{SECRET}@"))
    said = whole_job(digits)
    digits.environment.setenv("DIGITS_BROKER_URL", redis_server.url.replace("//", f"//:wrong-{SECRET}@"))
    said += broken(digits)
    assert "hush" not in said


def test_the_password_of_a_ledger_shows_nowhere(digits, scans):
    url = f"postgresql://user:{SECRET}@127.0.0.1:{free_port()}/digits?sslmode=require&password={SECRET}"
    digits.environment.setenv("DIGITS_LEDGER_URL", url)
    said = ""
    for command in (("run", "scans"), ("jobs",), ("worker",), ("doctor",)):
        said += digits(*command, code=69) + digits.messages
    assert "postgresql://***@127.0.0.1" in said
    assert "hush" not in said


@pytest.fixture(scope="module")
def rabbitmq():
    """The URL of a virtual host of our own on the RabbitMQ server of this machine."""
    control = shutil.which("rabbitmqctl")
    with socket.socket() as probe:
        if control is None or probe.connect_ex(("127.0.0.1", 5672)) != 0:
            pytest.skip("no RabbitMQ server answers here")
    name = f"digits-test-{uuid.uuid4().hex[:12]}"

    def run(*arguments):
        return subprocess.run([control, *arguments], capture_output=True, timeout=120).returncode == 0

    if not run("add_vhost", name):
        pytest.skip("virtual hosts may not be made here")
    try:
        assert run("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
        yield f"amqp://guest:guest@127.0.0.1:5672/{name}"
    finally:
        run("delete_vhost", name)


def test_rabbitmq_works_by_its_url_alone(digits, scans, rabbitmq):
    digits.environment.setenv("DIGITS_BROKER_URL", rabbitmq)
    digits.environment.setenv("DIGITS_RESEND_AFTER", "2")
    waiting = digits("submit", "scans").strip()
    report = digits("doctor", code=1)
    assert "12 messages wait" in report
    assert "none answers, and pages wait" in report
    said = whole_job(digits)
    assert "2 processes" in said
    assert "guest:guest" not in said
    assert digits.pages(waiting)["done"] == 12


def test_rabbitmq_loses_nothing_when_its_queue_is_purged_and_a_worker_is_killed(digits, held_scans, rabbitmq):
    digits.environment.setenv("DIGITS_BROKER_URL", rabbitmq)
    digits.environment.setenv("DIGITS_RESEND_AFTER", "2")
    worker = digits.start_worker()
    job = digits("submit", "scans").strip()
    digits.wait_for_done(3)
    with Connection(rabbitmq) as connection:
        connection.default_channel.queue_purge("digits")
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    (held_scans / "go").touch()
    digits.start_worker()
    wait_until(lambda: digits.pages(job)["done"] == 12, "all is read")
