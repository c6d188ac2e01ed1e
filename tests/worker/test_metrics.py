from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from extractor.errors import UsageError
from extractor.readings import FieldReading, PageFailure, PageReading
from worker.exporter import LedgerCollector
from worker.metrics import FOLDER_VARIABLE, PageMetrics, metrics_folder
from worker.settings import load_settings

from ..conftest import free_port
from .conftest import children_of, command_line, wait_until

BOX = (0, 0, 1, 1)


def samples(text: str) -> dict[str, float]:
    return {
        sample.name + "".join(f"|{value}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(port) -> dict[str, float]:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        return samples(answer.read().decode())


def test_a_page_counts_in_every_metric_and_blank_fields_have_no_confidence():
    registry = CollectorRegistry()
    metrics = PageMetrics(registry)
    fields = tuple(
        FieldReading(f"line-{number}", text, status, confidence, BOX)
        for number, (text, status, confidence) in enumerate(
            [("1", "accepted", 0.97), ("2", "review", 0.4), ("3", "review", 0.3), ("", "blank", 0.9)]
        )
    )
    metrics.observe(PageReading("d", 1, 9, 9, fields), 0.3, {"open": 0.1, "clean": 0.2})
    metrics.observe(PageReading("d", 2, error=PageFailure("truncated", "it ends")), 0.1, {"open": 0.1})
    value = registry.get_sample_value
    assert value("digits_pages_read_total", {"code": ""}) == 1
    assert value("digits_pages_read_total", {"code": "truncated"}) == 1
    assert value("digits_fields_total", {"status": "review"}) == 2
    assert value("digits_field_confidence_count") == 3
    assert value("digits_field_confidence_bucket", {"le": "0.5"}) == 2
    assert value("digits_stage_seconds_count", {"stage": "open"}) == 2
    assert value("digits_page_seconds_sum") == pytest.approx(0.4)


def test_a_ledger_out_of_reach_is_a_metric_not_a_failed_scrape(environment):
    environment.setenv("DIGITS_LEDGER_URL", "sqlite:////proc/none/ledger")
    registry = CollectorRegistry()
    registry.register(LedgerCollector(load_settings()))
    assert registry.get_sample_value("digits_ledger_up") == 0
    assert registry.get_sample_value("digits_pages", {"state": "done"}) is None


def test_the_folder_of_metrics_is_gone_afterwards_and_a_taken_port_is_said(environment):
    environment.setenv("DIGITS_METRICS_PORT", str(free_port()))
    with metrics_folder(load_settings()):
        folder = Path(os.environ[FOLDER_VARIABLE])
        assert folder.is_dir()
    assert not folder.exists()
    assert FOLDER_VARIABLE not in os.environ
    with socket.socket() as other:
        other.bind(("127.0.0.1", load_settings().metrics_port))
        other.listen()
        with pytest.raises(UsageError, match="DIGITS_METRICS_PORT"), metrics_folder(load_settings()):
            pass


@pytest.mark.services
def test_a_worker_of_two_processes_serves_what_both_have_read_and_the_ledgers_state(digits, scans, redis_server):
    port = free_port()
    digits.environment.setenv("DIGITS_BROKER_URL", redis_server.url)
    job = digits("submit", "scans").strip()
    worker = digits.start_worker("--metrics-port", port, "--log-level", "DEBUG", "--log-format", "json")
    wait_until(lambda: any("exporter" in command_line(pid) for pid in children_of(worker.pid)), "the exporter runs")
    digits("watch", job, code=1)

    def answer():
        try:
            return scrape(port)
        except OSError:
            return None

    def complete():
        found = answer()
        return found if found and found.get("digits_pages|done") == 12 else None

    found = wait_until(complete, "the metrics are complete")
    assert found["digits_pages_read_total|"] == 12
    assert found["digits_pages|failed"] == 1
    assert found["digits_pages|queued"] == found["digits_queue_age_seconds"] == 0
    assert found["digits_ledger_up"] == 1
    for stage in ("open", "clean", "layout", "segment", "classify"):
        assert found[f"digits_stage_seconds_count|{stage}"] == 12
    strings = sum(value for name, value in found.items() if name.startswith("digits_fields_total|"))
    assert strings >= found["digits_field_confidence_count"] > 0
    processes = set(re.findall(r'took .*?"process": (\d+)', worker.log.read_text()))
    assert len(processes) == 2
    assert not any("scans" in name for name in found)
    worker.terminate()
    assert worker.wait(60) == 0
    wait_until(lambda: answer() is None, "the endpoint is gone with its worker")
