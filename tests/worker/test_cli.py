"""The command line as such: quick to start, honest exit codes, one line for every error."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from worker import cli

HEAVY = ("cv2", "numpy", "ai_edge_litert", "celery", "kombu", "redis", "sqlalchemy", "tensorflow", "pydantic", "rich")


def test_help_imports_nothing_heavy(digits):
    code = "import sys; from worker import cli; cli._run(['--help']); print(*sys.modules, file=sys.stderr)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in result.stderr.split()}
    assert loaded.isdisjoint(HEAVY)
    for name in cli.COMMANDS:
        assert f"  {name} " in result.stdout


def test_running_a_job_never_loads_opencv_or_litert_in_the_parent(digits, scans):
    code = (
        "import sys; from worker import cli\n"
        "if __name__ == '__main__':\n"
        "    code = cli._run(['run', 'scans', '--format', 'csv']); print(code, *sys.modules, file=sys.stderr)"
    )
    script = digits.folder / "script.py"
    script.write_text(code)
    result = subprocess.run([sys.executable, script], cwd=digits.folder, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in result.stderr.splitlines()[-1].split()}
    assert loaded.isdisjoint({"cv2", "ai_edge_litert", "celery", "tensorflow"})
    assert result.stdout.count("accepted") + result.stdout.count("review") >= 1


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_the_overview_names_commands_that_exist(name):
    place, text = cli.COMMANDS[name]
    module, _, attribute = place.partition(":")
    command = getattr(importlib.import_module(module), attribute)
    assert command.name == name
    assert command.help
    assert text.endswith(".")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nonsense"], 2, "No such command"),
        (["run"], 2, "Missing argument"),
        (["run", "nothing.png"], 2, "does not exist"),
        (["status", "nothing"], 2, "there is no job"),
        (["results", "nothing"], 2, "there is no job"),
        (["run", "--workers", "0", "x"], 2, "--workers"),
    ],
)
def test_errors_are_one_line_with_an_exit_code(environment, capsys, arguments, code, words):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == code
    assert words in capsys.readouterr().err


def test_a_ledger_out_of_reach_is_69(environment, capsys):
    environment.setenv("DIGITS_LEDGER_URL", "postgresql://u:hush@127.0.0.1:1/d")
    for arguments in (["run", __file__], ["jobs"], ["results", "x"], ["doctor"]):
        with pytest.raises(SystemExit) as caught:
            cli.main(arguments)
        assert caught.value.code == 69
        output = "".join(capsys.readouterr())
        assert "out of reach" in output
        assert "hush" not in output


def test_a_missing_network_is_said_before_anything_is_recorded(environment, capsys, tmp_path):
    environment.setenv("DIGITS_MODEL", str(tmp_path))
    with pytest.raises(SystemExit) as caught:
        cli.main(["run", __file__])
    assert caught.value.code == 2
    assert "network" in capsys.readouterr().err


def test_a_fault_of_ours_is_70_in_one_line_and_a_traceback_only_on_request(environment, capsys):
    environment.setattr("worker.cli.status.load_settings", lambda: 1 / 0)
    with pytest.raises(SystemExit) as caught:
        cli.main(["jobs"])
    assert caught.value.code == 70
    assert capsys.readouterr().err.count("\n") == 1
    environment.setenv("DIGITS_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        cli.main(["jobs"])


def test_without_the_training_packages_the_commands_say_what_to_install(environment, capsys):
    def missing(*_arguments, **_options):
        raise ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow")

    environment.setattr("worker.cli.cli.main", missing)
    with pytest.raises(SystemExit) as caught:
        cli.main(["train"])
    assert caught.value.code == 2
    assert "pip install 'digit-extractor[train]'" in capsys.readouterr().err


def test_a_reader_that_has_enough_is_no_error(digits, scans):
    digits("run", "scans", code=1)
    job = digits.only_job()
    command = " ".join(digits.command(("results", job, "--format", "jsonl")))
    result = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command} | true"], cwd=digits.folder, capture_output=True, text=True
    )
    assert "Traceback" not in result.stderr
    assert "Broken" not in result.stderr


def test_jobs_and_status_speak_json_to_programs(digits, scans):
    digits("run", "scans", "--job", "mine", "--layout", "line", code=1)
    (line,) = digits("jobs", "--format", "json").splitlines()
    status = json.loads(digits("status", "--format", "json", code=1))
    assert json.loads(line) == status
    assert status["name"] == "mine"
    assert status["options"] == {"layout": "line", "dpi": 300, "accept_error": None}
    assert status["pages"] == {"total": 13, "queued": 0, "running": 0, "done": 12, "failed": 1, "cancelled": 0}
    assert "finished: 12 of 13 pages read, 1 failed" in digits("status", "mine", code=1)


def test_purge_asks_first(environment, capsys, tmp_path):
    from worker.ledger import Ledger
    from worker.settings import load_settings

    with Ledger(load_settings().ledger_url) as ledger:
        job_id = ledger.jobs.create(name="", executor="local", base="/", options={}, network="")
        ledger.jobs.activate(job_id, "k")
        ledger.jobs.let_go(job_id)
        environment.setattr("sys.stdin", (tmp_path / "empty").open("w+"))
        with pytest.raises(SystemExit) as caught:
            cli.main(["purge"])
        assert caught.value.code == 130
        assert ledger.jobs.get(job_id) is not None
        with pytest.raises(SystemExit) as caught:
            cli.main(["purge", "--yes", job_id])
        assert caught.value.code == 0
        assert ledger.jobs.get(job_id) is None


def test_the_reference_in_the_docs_is_what_the_commands_say():
    root = Path(__file__).resolve().parents[2]
    made = subprocess.run(
        [sys.executable, root / "docs" / "make_cli_reference.py", "--print"],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
    ).stdout
    assert made == (root / "docs" / "cli.md").read_text(encoding="utf-8"), "run python docs/make_cli_reference.py"
