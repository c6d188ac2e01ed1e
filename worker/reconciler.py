"""The process beside each queue worker that calls `worker.dispatch.reconcile` again and again.

It is a process of its own because its database connections and threads must not be there when the worker forks.
``python -m worker.reconciler PID`` runs it until its parent, that process, is gone.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time

from extractor.errors import DigitsError
from worker.broker import Broker
from worker.dispatch import reconcile
from worker.ledger import Ledger
from worker.logs import set_up_logging
from worker.settings import Settings, load_settings

log = logging.getLogger(__name__)

_LONGEST_PAUSE = 15.0


class Supervisor:
    """Keeps a process beside a worker running for as long as the worker does.

    Args:
        module: What it runs.
    """

    def __init__(self, module: str = "worker.reconciler") -> None:
        self._module = module
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._keep_running, name=module, daemon=True)

    def start(self) -> None:
        """Start the process."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the process."""
        self._stopping.set()
        if self._process is not None:
            self._process.terminate()

    def _keep_running(self) -> None:
        while not self._stopping.is_set():
            # It is told whose it is: should this process die at once, it would take whoever adopts it for its parent.
            command = [sys.executable, "-m", self._module, str(os.getpid())]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
            self._process.wait()
            self._stopping.wait(5.0)


def run(settings: Settings, parent: int) -> None:
    """Reconcile at intervals until the parent process, whose number is given, is gone."""
    pause = min(_LONGEST_PAUSE, settings.resend_after / 2)
    next_time = time.monotonic()
    while os.getppid() == parent:
        if time.monotonic() >= next_time:
            try:
                with (
                    Ledger(settings.ledger_url, settings.connect_timeout) as ledger,
                    Broker(settings) as broker,
                ):
                    reconcile(ledger, broker, settings)
            except DigitsError as error:
                log.warning("%s", error)
            except Exception:  # the next round may fare better, and nobody else would do it
                log.exception("the reconciler failed")
            next_time = time.monotonic() + pause
        time.sleep(0.5)


if __name__ == "__main__":
    set_up_logging()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    run(load_settings(), int(sys.argv[1]))
