"""docker-compose.yml and Dockerfile, held to the command line and the settings without a container engine."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from worker.cli import cli
from worker.settings import PREFIX, Settings

from .conftest import readings, wait_until

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load(TEXT)
SERVICES = COMPOSE["services"]
OURS = ["worker", "cli"]


@pytest.mark.parametrize("name", OURS)
def test_the_commands_are_the_command_lines_own(name):
    command, *arguments = SERVICES[name]["command"]
    parser = cli.get_command(None, command)
    assert parser.make_context(command, arguments, resilient_parsing=False)


@pytest.mark.parametrize("name", OURS)
def test_the_variables_are_settings_with_values_they_accept(name, environment):
    variables = {key: value for key, value in SERVICES[name]["environment"].items() if key.startswith(PREFIX)}
    assert {key.removeprefix(PREFIX).lower() for key in variables} <= set(Settings.model_fields)
    for variable, value in variables.items():
        environment.setenv(variable, str(value))
    settings = Settings()
    assert [str(root) for root in settings.data_roots] == ["/data"]
    assert urlsplit(settings.broker_url).hostname in SERVICES
    assert urlsplit(settings.ledger_url).hostname in SERVICES
    assert urlsplit(settings.broker_url).port == 6379
    assert urlsplit(settings.ledger_url).port == 5432


def test_the_files_hold_no_secret_and_the_servers_are_not_published():
    assert all("password" not in urlsplit(value).netloc for value in re.findall(r"\w+://\S+", TEXT))
    for line in TEXT.splitlines():
        if "PASSWORD:" in line:
            assert "${POSTGRES_PASSWORD:?" in line
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"flower": ["127.0.0.1:5555:5555"]}


def test_nothing_runs_as_root_and_volumes_have_names():
    assert all(str(service["user"]) not in ("", "root", "0") for service in SERVICES.values())
    named = {volume.partition(":")[0] for name in ("redis", "postgres") for volume in SERVICES[name]["volumes"]}
    assert named == set(COMPOSE["volumes"])
    assert re.search(r"^USER digits$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)


def test_redis_keeps_its_messages_and_workers_wait_for_healthy_servers():
    command = " ".join(SERVICES["redis"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command
    for server in ("redis", "postgres"):
        assert SERVICES[server]["healthcheck"]["test"]
        assert SERVICES["worker"]["depends_on"][server]["condition"] == "service_healthy"
    assert SERVICES["flower"]["profiles"] == ["flower"]


def test_the_worker_scales_and_is_given_time_to_finish_a_page(environment):
    worker = SERVICES["worker"]
    assert not {"container_name", "hostname", "ports"} & set(worker)
    assert float(worker["stop_grace_period"].removesuffix("s")) > Settings().hard_page_timeout


@pytest.mark.services
def test_the_worker_services_command_reads_a_job_and_ends_in_time(digits, scans, redis_server):
    digits.environment.setenv("DIGITS_BROKER_URL", redis_server.url)
    log = digits.folder / "log"
    with log.open("wb") as stream:
        worker = digits.start(*SERVICES["worker"]["command"], stdout=stream, stderr=subprocess.STDOUT)
    wait_until(lambda: b"is ready" in log.read_bytes() or worker.poll() is not None, "the worker is ready")
    command, *arguments = SERVICES["worker"]["healthcheck"]["test"][2:]
    digits(command, *arguments)
    job = digits("submit", "scans").strip()
    digits("watch", job, code=1)
    assert len(readings(digits("results", job, "--format", "jsonl", code=1))) == 13
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(60) == 0
