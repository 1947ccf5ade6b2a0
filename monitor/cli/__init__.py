"""The entry point of the command line: the table of commands, and `main`, which prints an error as one line."""

from __future__ import annotations

import errno
import gc
import os
import sys

import click

from monitor.cli.group import LazyGroup, ReaderLeftError
from monitor.cli.options import config_option
from monitor.errors import SpeedmonError
from netns.errors import NetnsError

COMMANDS = {
    "setup-netns": "monitor.cli.netns:setup",
    "teardown-netns": "monitor.cli.netns:teardown",
    "check": "monitor.cli.check:command",
    "exec": "monitor.cli.netns:run",
    "collect": "monitor.cli.collect:command",
    "history": "monitor.cli.history:command",
    "show": "monitor.cli.show:command",
    "servers": "monitor.cli.servers:command",
    "usage": "monitor.cli.usage:command",
    "incidents": "monitor.cli.incidents:command",
    "events": "monitor.cli.events:command",
    "graph": "monitor.cli.graph:command",
    "report": "monitor.cli.report:command",
    "export": "monitor.cli.export:command",
    "import": "monitor.cli.importing:command",
    "serve": "web.command:command",
    "config": "monitor.cli.config:group",
    "db": "monitor.cli.db:group",
    "fleet": "monitor.cli.fleet:group",
    "demo": "monitor.cli.demo:command",
}


def build(folder: str) -> str:
    """Return which commit was built, as `scripts/build_hook.py` wrote it into a package; empty in a checkout."""
    try:
        with open(f"{folder}/commit.txt", encoding="ascii") as file:  # noqa: PTH123  pathlib is not imported here
            return f" (commit {file.read().strip()})"
    except OSError:
        return ""


@click.group(cls=LazyGroup, commands_by_name=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(
    package_name="speedmon",
    prog_name="speedmon",
    message=f"%(prog)s, version %(version)s{build(os.path.dirname(os.path.dirname(__file__)))}",  # noqa: PTH120
)
@config_option
def cli() -> None:
    """Measure an internet connection on a schedule, over IPv4 only, and keep every result.

    Exit codes: 0 success; 1 unexpected error; 2 usage or configuration error; 3 the test failed (recorded);
    4 skipped (recorded); 5 the namespace is missing or not sound; 6 not permitted.
    """


def main() -> None:
    """Run the command line; an error is printed as one line, as a traceback only if SPEEDMON_DEBUG is set."""
    try:
        code = cli.main(standalone_mode=False)
        if sys.stdout:  # None when the caller closed it
            sys.stdout.flush()
    except (BrokenPipeError, ReaderLeftError):
        code = 0  # the reader of our output, such as `head`, has closed it
        _abandon_stdout()
    except Exception as error:  # noqa: BLE001  the one boundary where any error becomes a line
        code = _report(error)
    gc.freeze()  # saves the garbage collection at exit, 10 ms
    sys.exit(code if isinstance(code, int) else 0)


def _abandon_stdout() -> None:
    """Redirect stdout to /dev/null, so that the interpreter's flush at exit does not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)


def _report(error: Exception) -> int:
    if os.environ.get("SPEEDMON_DEBUG"):
        raise error
    if isinstance(error, click.exceptions.Abort):
        click.echo("speedmon: interrupted", err=True)
        return 130
    if isinstance(error, click.ClickException):
        _tell_usage(error)
        return 2
    if isinstance(error, SpeedmonError | NetnsError):
        click.echo(f"speedmon: {error}", err=True)
        return error.exit_code
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        _abandon_stdout()
        click.echo(f"speedmon: no space left on device: {error.filename or 'output'}", err=True)
        return 1
    click.echo(f"speedmon: unexpected {type(error).__name__}: {error} (SPEEDMON_DEBUG=1 shows where)", err=True)
    return 1


def _tell_usage(error: click.ClickException) -> None:
    """Print a usage error as one line; a group without a command prints its help."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    message = " ".join(error.format_message().split()).removesuffix(".")
    context = getattr(error, "ctx", None)
    click.echo(f"speedmon: {message} (see `{context.command_path if context else 'speedmon'} --help`)", err=True)
