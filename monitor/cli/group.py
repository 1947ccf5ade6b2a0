"""A click group that imports the module of a command only when it is called, so that `--help` is quick."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

SHORT_HELP = {
    "setup-netns": "Create or repair the IPv4-only namespace, its NAT and its launcher.",
    "teardown-netns": "Remove everything that setup-netns created.",
    "check": "Check everything that a trustworthy test needs; print how to fix what fails.",
    "exec": "Run a command inside the namespace as the current user.",
    "collect": "Run one speed test and store the result.",
    "history": "List the stored runs.",
    "show": "Show everything stored about one run.",
    "servers": "List the servers of an engine, or statistics for each server used.",
    "usage": "Show the data used by tests, by month.",
    "incidents": "List outages of the line.",
    "events": "List changes of the ISP and the external address.",
    "graph": "Draw the stored runs as PNG, SVG or PDF.",
    "report": "Write a report for the ISP as HTML and PDF, with its data as CSV.",
    "export": "Write the stored runs as CSV, JSON Lines or Parquet.",
    "import": "Import runs from files of other programs, or from an export.",
    "serve": "Run tests on a schedule and serve the web page.",
    "config": "Write or show the configuration.",
    "db": "Maintain the database: upgrade, check, backup, prune, vacuum.",
    "fleet": "Forward runs to the PostgreSQL of a fleet.",
    "demo": "Try it in a simulated network; changes nothing on this machine.",
}


class ReaderLeftError(Exception):
    """The reader of stdout has closed it. Raised in place of BrokenPipeError, for which click would exit with 1."""


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
        from difflib import get_close_matches  # noqa: PLC0415  only for what was mistyped

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
