from __future__ import annotations

import subprocess
import sys

from worker.owner import is_gone, this_process


def test_a_process_is_alive_until_it_ends_even_before_it_is_waited_for():
    program = "from worker.owner import this_process; print(this_process(), flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        owner = process.stdout.readline().decode().strip()
        assert not is_gone(owner)
        process.kill()
        process.stdin.close()
        while not is_gone(owner):
            pass
        process.wait()
        assert is_gone(owner)


def test_a_number_used_again_is_another_process():
    place, pid, _start = this_process().rsplit("|", 2)
    assert not is_gone(this_process())
    assert is_gone(f"{place}|{pid}|1")


def test_nothing_is_said_about_processes_elsewhere():
    assert not is_gone("elsewhere|1|999999999|5")
    assert not is_gone("nonsense")
