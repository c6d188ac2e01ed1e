"""Write docs/cli.md from the commands themselves: ``python docs/make_cli_reference.py``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))


def reference() -> str:
    """Return the whole page."""
    from worker.cli import COMMANDS, cli

    parts = [
        "# The `digits` command\n",
        "This page is made by `python docs/make_cli_reference.py` from the commands' own help.\n",
        _block(cli, click.Context(cli, info_name="digits", terminal_width=100)),
    ]
    for name in COMMANDS:
        group = click.Context(cli, info_name="digits", terminal_width=100)
        command = cli.get_command(group, name)
        if command is None:
            raise LookupError(name)
        parts += [f"## digits {name}\n", _block(command, click.Context(command, group, info_name=name))]
    return "\n".join(parts)


def _block(command: click.Command, context: click.Context) -> str:
    context.terminal_width = context.max_content_width = 100
    return f"```text\n{command.get_help(context)}\n```\n"


if __name__ == "__main__":
    if "--print" in sys.argv[1:]:
        sys.stdout.write(reference())
    else:
        (ROOT / "docs" / "cli.md").write_text(reference(), encoding="utf-8")
