from __future__ import annotations

import subprocess
import sys

import pytest

from ..conftest import free_port


@pytest.mark.parametrize("module", ["worker.reconciler", "worker.exporter"])
def test_what_runs_beside_a_worker_that_died_before_it_began_ends_by_itself(environment, tmp_path, module):
    """Whoever adopts it must not be taken for its worker."""
    environment.setenv("DIGITS_BROKER_URL", "redis://127.0.0.1:1/0")
    environment.setenv("DIGITS_METRICS_PORT", str(free_port()))
    environment.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", "pass"]) as worker:
        worker.wait()
    result = subprocess.run([sys.executable, "-m", module, str(worker.pid)], timeout=300, check=False)
    assert result.returncode == 0
