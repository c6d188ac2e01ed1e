"""``digits doctor``: is everything in order, and what holds."""

from __future__ import annotations

import click

from extractor.errors import ExitCode
from worker.checks import examine
from worker.findings import Finding
from worker.settings import describe, load_settings


@click.command("doctor")
def doctor_command() -> int:
    """Check the installation, ledger, broker and workers, and show every setting.

    Settings are environment variables named DIGITS_*. Passwords in them are never shown. Exit codes: 0 in order, 69 a
    server is out of reach, 1 something else is wrong.
    """
    settings = load_settings()
    click.echo("Settings")
    for setting in describe(settings):
        mark = " (default)" if setting.is_default else ""
        click.echo(f"  {setting.variable}={setting.value}{mark}")
        click.echo(f"      {setting.description}")
    click.echo("Checks")
    findings: list[Finding] = []
    for finding in examine(settings):
        findings.append(finding)
        mark = {"ok": "ok", "note": "note", "wrong": "WRONG", "unreachable": "DOWN"}[finding.verdict]
        click.echo(f"  {mark:<6} {finding.subject:<8} {finding.text}")
    verdicts = {finding.verdict for finding in findings}
    if "unreachable" in verdicts:
        return ExitCode.UNAVAILABLE
    return ExitCode.SOME_PAGES_FAILED if "wrong" in verdicts else ExitCode.OK
