"""The settings on which it hangs that Celery neither loses nor repeats work."""

from __future__ import annotations

import pytest

from worker.batches import MAX_PAGES
from worker.celery_app import configuration
from worker.settings import Settings


@pytest.mark.parametrize("page_timeout", [1.0, 120.0, 3600.0])
def test_no_message_is_given_out_again_while_its_pages_may_still_be_read(page_timeout):
    settings = Settings(page_timeout=page_timeout)
    chosen = configuration(settings)
    visible_again = chosen["broker_transport_options"]["visibility_timeout"]
    assert visible_again > MAX_PAGES * settings.hard_page_timeout
    # With late acknowledgement and a prefetch of one, a process has the message that it works on and no other.
    assert chosen["worker_prefetch_multiplier"] == 1
    assert chosen["task_acks_late"]
    assert chosen["task_reject_on_worker_lost"]


def test_nothing_but_json_is_taken_and_no_result_is_kept():
    chosen = configuration(Settings())
    assert chosen["accept_content"] == ["json"]
    assert chosen["task_serializer"] == "json"
    assert chosen["result_backend"] is None
    assert chosen["task_ignore_result"]


def test_a_broker_that_does_not_answer_is_not_waited_for_without_end():
    options = configuration(Settings(connect_timeout=2))["broker_transport_options"]
    assert options["socket_connect_timeout"] == 2
    assert 0 < options["socket_timeout"] < 120
    assert configuration(Settings())["broker_connection_retry_on_startup"]


def test_a_process_is_replaced_above_its_limit_given_in_the_unit_that_celery_wants():
    assert configuration(Settings(child_memory_mb=1024))["worker_max_memory_per_child"] == 1024 * 1024
