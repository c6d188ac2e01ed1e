"""Put on PYTHONPATH, makes documents misbehave by their names, in whichever process reads them.

``held`` waits for a file ``go`` beside it; ``slow`` takes a third of a second, ``brisk`` a tenth of that; ``deadly``
kills its process; ``stuck`` cannot be interrupted; ``faulty`` raises; ``greedy`` is short of memory. Where FAULTS_READS
names a file, each attempt to read a page adds a line to it. Where FAULTS_GIVE_UP names a file that exists, the next
worker that loses its broker removes it and fails as Kombu does at times.
"""

import os
import signal
import time

from extractor import documents

_load_page = documents.load_page


def load_page(path, page, **arguments):
    name = path.name
    if reads := os.environ.get("FAULTS_READS"):
        with open(reads, "a") as stream:  # noqa: PTH123
            stream.write(f"{name}\n")
    while "held" in name and not (path.parent / "go").exists():
        time.sleep(0.02)
    if "slow" in name:
        time.sleep(0.33)
    if "brisk" in name:
        time.sleep(0.03)
    if "deadly" in name:
        os.kill(os.getpid(), signal.SIGKILL)
    if "stuck" in name:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
        time.sleep(600)
    if "faulty" in name:
        raise ZeroDivisionError("secret 12345")
    if "greedy" in name:
        raise MemoryError
    return _load_page(path, page, **arguments)


documents.load_page = load_page

if give_up := os.environ.get("FAULTS_GIVE_UP"):
    from celery.worker.consumer.consumer import Consumer

    _on_connection_error = Consumer.on_connection_error_after_connected

    def on_connection_error_after_connected(self, error):
        if os.path.exists(give_up):  # noqa: PTH110
            os.unlink(give_up)  # noqa: PTH108
            raise AttributeError("'NoneType' object has no attribute 'hostname'")
        _on_connection_error(self, error)

    Consumer.on_connection_error_after_connected = on_connection_error_after_connected
