"""The Celery application and its settings, nothing else. ``celery -A worker.celery_app`` (Flower) works against it.

Each setting answers to a way in which Celery on Redis loses or repeats work, see docs/cluster.md.
"""

from __future__ import annotations

from typing import Any

from celery import Celery

from worker.batches import MAX_PAGES
from worker.settings import Settings, load_settings

QUEUE = "digits"
TASK = "digits.read_pages"

_SHORTEST_VISIBILITY = 3600


def configuration(settings: Settings) -> dict[str, Any]:
    """Return the application's settings.

    Args:
        settings: Where the broker is, and how long a page may take.
    """
    longest_message = MAX_PAGES * settings.hard_page_timeout
    return {
        "broker_url": settings.broker_url,
        "include": ["worker.tasks"],
        "task_default_queue": QUEUE,
        # JSON alone: a pickle in the queue would be code.
        "task_serializer": "json",
        "accept_content": ["json"],
        "worker_consumer": "worker.wall:Consumer",
        # The ledger holds results and states.
        "result_backend": None,
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        # A message is acknowledged after its pages; the ledger's delivery cap ends the loop that a deadly page makes.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "worker_prefetch_multiplier": 1,
        # After a lost connection pages are finished and stored; the copy that comes finds nothing to do.
        "worker_cancel_long_running_tasks_on_connection_loss": False,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_connection_timeout": settings.connect_timeout,
        "broker_transport_options": {
            # Redis gives a message again that was not acknowledged for so long: longer than any of ours takes.
            "visibility_timeout": max(_SHORTEST_VISIBILITY, 1.25 * longest_message),
            "socket_connect_timeout": settings.connect_timeout,
            "socket_timeout": 30.0,
            "socket_keepalive": True,
            "health_check_interval": 25,
        },
        "worker_max_memory_per_child": settings.child_memory_mb * 1024,
        "worker_send_task_events": False,
        "worker_log_color": False,
    }


app = Celery("digits")
app.conf.update(configuration(load_settings()))
