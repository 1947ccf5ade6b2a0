"""The entry point of the command line: the table of commands, and `main`, which prints an error as one line.

The module of a command is imported only when it is called, so that `--help` is quick. For a new command, add a row to
COMMANDS and one to SHORT_HELP.
"""

from __future__ import annotations

import codecs
import errno
import gc
import io
import os
import sys
from importlib import import_module
from typing import Any

import click

from monitor.cli import options
from monitor.cli.options import config_option
from monitor.errors import SpeedmonError
from netns.errors import NetnsError

# "module:attribute" of each command, in the order of `--help`.
COMMANDS = {
    "install": "monitor.cli.install:install_command",
    "uninstall": "monitor.cli.install:uninstall_command",
    "status": "monitor.cli.status:command",
    "setup-netns": "monitor.cli.namespace:setup",
    "teardown-netns": "monitor.cli.namespace:teardown",
    "check": "monitor.cli.check:command",
    "pause": "monitor.cli.pause:pause_command",
    "resume": "monitor.cli.pause:resume_command",
    "schedule": "monitor.cli.schedule:group",
    "exec": "monitor.cli.namespace:run",
    "collect": "monitor.cli.collect:command",
    "history": "monitor.cli.runs:history_command",
    "show": "monitor.cli.runs:show_command",
    "exclude": "monitor.cli.exclude:command",
    "servers": "monitor.cli.servers:command",
    "usage": "monitor.cli.runs:usage_command",
    "incidents": "monitor.cli.runs:incidents_command",
    "events": "monitor.cli.runs:events_command",
    "graph": "monitor.cli.graph:command",
    "report": "monitor.cli.report:command",
    "export": "monitor.cli.import_export:export_command",
    "import": "monitor.cli.import_export:import_command",
    "metrics": "monitor.cli.metrics:command",
    "digest": "monitor.cli.notify:digest_command",
    "notify": "monitor.cli.notify:notify_group",
    "serve": "web.command:command",
    "token": "web.token_command:group",
    "config": "monitor.cli.config:group",
    "db": "monitor.cli.database:db_group",
    "fleet": "monitor.cli.database:fleet_group",
    "demo": "monitor.cli.demo:command",
}

SHORT_HELP = {
    "install": "Install the service: user, units, namespace, database; ends with a test.",
    "uninstall": "Remove what install made, all but results and settings.",
    "status": "Show what runs, the last and the next test, and what was repaired.",
    "setup-netns": "Create or repair the IPv4-only namespace, its NAT and its launcher.",
    "teardown-netns": "Remove everything that setup-netns created.",
    "check": "Check everything that a trustworthy test needs; print how to fix what fails.",
    "pause": "Start no scheduled test for so long.",
    "resume": "End a pause.",
    "schedule": "Show when the next tests are due.",
    "exec": "Run a command inside the namespace as the current user.",
    "collect": "Run one speed test and store the result.",
    "history": "List the stored runs.",
    "show": "Show everything stored about one run.",
    "exclude": "Leave a run out of all statistics, with a reason; or undo that.",
    "servers": "List the servers of an engine, or statistics for each server used.",
    "usage": "Show the data used by tests, by month.",
    "incidents": "List outages of the line.",
    "events": "List changes of the ISP and the external address.",
    "graph": "Draw the stored runs as PNG, SVG or PDF.",
    "report": "Write a report for the ISP as HTML and PDF, with its data as CSV.",
    "export": "Write the stored runs as CSV, JSON Lines or Parquet.",
    "import": "Import runs from files of other programs, or from an export.",
    "metrics": "Print the stored runs as metrics for Prometheus.",
    "digest": "Send or print a summary of the last day or week.",
    "notify": "Send messages about changes of state; test and list them.",
    "serve": "Run tests on a schedule and serve the web page.",
    "token": "Make, list and remove tokens for the page and the API.",
    "config": "Write, change or show the configuration.",
    "db": "Maintain the database: upgrade, check, backup, prune, vacuum.",
    "fleet": "Forward runs to the PostgreSQL of a fleet.",
    "demo": "Try it in a simulated network; changes nothing on this machine.",
}


class LazyGroup(click.Group):
    """A group whose commands are given as "module:attribute" by name; their short help is in SHORT_HELP."""

    def __init__(self, *args: Any, commands_by_name: dict[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.commands_by_name = commands_by_name

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Return the names of the commands, in the order of the table."""
        return list(self.commands_by_name)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        """Import and return a command; None if there is none of that name."""
        target = self.commands_by_name.get(cmd_name)
        if target is None:
            return None
        module, _, attribute = target.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was called; the error for an unknown name suggests a similar one."""
        name = args[0]
        if name in self.commands_by_name or name.startswith("-"):
            return super().resolve_command(ctx, args)
        from difflib import get_close_matches

        matches = get_close_matches(name, self.commands_by_name, n=1)
        raise click.UsageError(
            f"No such command {name!r}." + "".join(f" Did you mean {match!r}?" for match in matches), ctx
        )

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a broken pipe becomes a ReaderLeftError."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ReaderLeftError from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, SHORT_HELP[name]) for name in self.list_commands(ctx)])


@click.group(cls=LazyGroup, commands_by_name=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda context, _, asked: _show_version(context) if asked else None,
    help="Show the version and exit.",
)
@config_option
def cli() -> None:
    """Measure an internet connection on a schedule, over IPv4 only, and keep every result.

    Exit codes: 0 success; 1 unexpected error; 2 usage or configuration error; 3 the test failed (recorded);
    4 skipped (recorded); 5 the namespace is missing or not sound; 6 not permitted.
    """


def _show_version(context: click.Context) -> None:
    from monitor.system.installation import version_line

    click.echo(f"speedmon {version_line()}")
    context.exit()


def main() -> None:
    """Run the command line; an error is printed as one line, as a traceback only if SPEEDMON_DEBUG is set."""
    _replace_unknown_characters()
    options.logs_to_stderr()
    try:
        code = cli.main(standalone_mode=False)
        if sys.stdout:  # None when the caller closed it
            sys.stdout.flush()
    except (BrokenPipeError, ReaderLeftError):
        code = 0  # the reader of our output, such as `head`, has closed it
        _discard_stdout()
    except Exception as error:  # noqa: BLE001  the one boundary where any error becomes a line
        code = _report_error(error)
    gc.freeze()  # saves the garbage collection at exit, 10 ms
    sys.exit(code if isinstance(code, int) else 0)


def _replace_unknown_characters() -> None:
    """Let standard output show a ? for what its encoding lacks. JSON and CSV are written to it as bytes, in UTF-8."""
    if not isinstance(sys.stdout, io.TextIOWrapper):  # None when the caller closed it
        return
    sys.stdout.reconfigure(errors="replace")
    if codecs.lookup(sys.stdout.encoding).name == "ascii":
        sys.stdout = _AsciiOutput(sys.stdout.buffer, encoding="ascii", errors="replace", write_through=True)


class _AsciiOutput(io.TextIOWrapper):
    """Standard output in ASCII. Click takes one that calls itself so for a mistake, and would write UTF-8 to it."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """A name that click does not know; the base class cannot set it either."""
        return "ascii with replacements"


def _discard_stdout() -> None:
    """Redirect stdout to /dev/null, so that the interpreter's flush at exit does not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)


def _report_error(error: Exception) -> int:
    if os.environ.get("SPEEDMON_DEBUG"):
        raise error
    if isinstance(error, click.exceptions.Abort):
        click.echo("speedmon: interrupted", err=True)
        return 130
    if isinstance(error, click.ClickException):
        _report_usage_error(error)
        return 2
    if isinstance(error, SpeedmonError | NetnsError):
        click.echo(f"speedmon: {error}", err=True)
        return error.exit_code
    if isinstance(error, UnicodeEncodeError):
        click.echo(f"speedmon: an argument or a name is not UTF-8: {error.object[:200]!a}: write it in UTF-8", err=True)
        return 2
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        _discard_stdout()
        click.echo(f"speedmon: no space left on device: {error.filename or 'output'}", err=True)
        return 1
    click.echo(f"speedmon: unexpected {type(error).__name__}: {error} (SPEEDMON_DEBUG=1 shows where)", err=True)
    return 1


def _report_usage_error(error: click.ClickException) -> None:
    """Print a usage error as one line; a group without a command prints its help."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    message = " ".join(error.format_message().split()).removesuffix(".")
    context = getattr(error, "ctx", None)
    click.echo(f"speedmon: {message} (see `{context.command_path if context else 'speedmon'} --help`)", err=True)


class ReaderLeftError(Exception):
    """The reader of stdout has closed it. Raised in place of BrokenPipeError, for which click would exit with 1."""
