"""The ``digits`` command. Every subcommand is imported when it is called, so that ``digits --help`` answers at once."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence

import click

from extractor.errors import DigitsError, ExitCode

COMMANDS = {
    "run": ("worker.cli.run:run_command", "Read files and folders on this machine."),
    "submit": ("worker.cli.submit:submit_command", "Queue files and folders for workers."),
    "worker": ("worker.cli.worker:worker_command", "Read queued pages until stopped."),
    "watch-folder": ("worker.cli.watch_folder:watch_folder_command", "Read whatever is put into a folder."),
    "status": ("worker.cli.status:status_command", "Show how far a job is."),
    "watch": ("worker.cli.watch:watch_command", "Follow a job until it is finished."),
    "results": ("worker.cli.results:results_command", "Write a job's results."),
    "retry": ("worker.cli.retry:retry_command", "Read failed and cancelled pages again."),
    "cancel": ("worker.cli.cancel:cancel_command", "Stop a job before its next page."),
    "jobs": ("worker.cli.status:jobs_command", "List the latest jobs."),
    "purge": ("worker.cli.purge:purge_command", "Delete finished jobs and their results."),
    "doctor": ("worker.cli.doctor:doctor_command", "Check the installation, ledger, broker and workers."),
    "score": ("worker.cli.score:score_command", "Compare readings with the truth."),
    "template": ("worker.cli.template:template_group", "Describe forms: check, preview and propose templates."),
    "recipes": ("training.cli:recipes_command", "List the training recipes."),
    "train": ("training.cli:train_command", "Train a network."),
    "finetune": ("training.cli_finetune:finetune_command", "Teach the network your own images."),
    "plot": ("training.cli:plot_command", "Draw the curves of a training run."),
    "evaluate": ("training.cli:evaluate_command", "Measure a network on test sets."),
    "predict": ("training.cli:predict_command", "Classify images of single digits."),
}
"""Command name -> where its click command is, and its line in the overview."""

_TRAINING_PACKAGES = ("tensorflow", "keras", "matplotlib")


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}:{attribute} is no click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="digit-extractor")
def cli() -> None:
    """Read handwritten digit strings out of scanned documents, and say when not sure.

    Results go to standard output; progress and messages to standard error. Exit codes: 0 all pages read, 1 some
    failed, 2 usage, 65 no page could be read, 69 broker or ledger out of reach, 70 a fault of digits, 130 interrupted.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Args:
        arguments: Without the program's name; those of the process when None.
    """
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        result = cli.main(arguments, prog_name="digits", standalone_mode=False)
        sys.stdout.flush()
        return int(result or 0)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", ExitCode.INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has enough; Python must not complain about it once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except DigitsError as error:
        return _fail(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in _TRAINING_PACKAGES:
            return _fail("this command needs more packages: pip install 'digit-extractor[train]'", ExitCode.USAGE)
        return _fault(error)
    except Exception as error:
        return _fault(error)


def _fault(error: Exception) -> int:
    if os.environ.get("DIGITS_DEBUG"):
        raise error
    return _fail(f"digits itself failed ({type(error).__name__}); DIGITS_DEBUG=1 shows where", ExitCode.INTERNAL)


def _fail(message: str, code: ExitCode) -> int:
    click.echo(f"digits: {message}", err=True)
    return code
