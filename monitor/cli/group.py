"""A click group that imports a command's module only when that command is called: `--help` imports nothing heavy."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

SHORT_HELP = {
    "setup-netns": "Build the IPv4-only namespace, its NAT and its launcher.",
    "teardown-netns": "Remove all that setup-netns made.",
    "check": "Prove what a trustworthy test needs, with the mend for what is not so.",
    "exec": "Run a command inside the namespace, as yourself.",
    "collect": "Run one speed test and store what came of it.",
    "history": "List the stored runs.",
    "show": "Show one run with all that is stored of it.",
    "servers": "List the servers that an engine offers, or how each has done.",
    "usage": "Show the data that the tests used, month by month.",
    "incidents": "List the outages of the line.",
    "events": "List when the ISP or the external address changed.",
    "graph": "Draw the stored runs as a PNG, SVG or PDF.",
    "report": "Write the evidence for the ISP as HTML and PDF, with its data as CSV.",
    "export": "Write the stored runs as CSV, JSON lines or Parquet.",
    "import": "Take over runs from other programs' files, or from an export.",
    "serve": "Run tests on a schedule and serve the web page.",
    "config": "Write or show the configuration.",
    "db": "Look after the database: upgrade, check, backup, prune, vacuum.",
    "fleet": "Forward runs to the PostgreSQL of a fleet.",
    "demo": "Show it all in a lab that changes nothing of this machine.",
}


class ReaderLeftError(Exception):
    """Whoever reads the other end of stdout has seen enough; click would exit with 1 for it."""


class LazyGroup(click.Group):
    """A group whose table holds "module:attribute" strings and whose short help lives beside the names."""

    def __init__(self, *args: Any, commands_by_name: dict[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.commands_by_name = commands_by_name

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """Return the names in the order of the table."""
        return list(self.commands_by_name)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's signature
        """Import and return one command; None when there is none of that name."""
        target = self.commands_by_name.get(cmd_name)
        if target is None:
            return None
        module, _, attribute = target.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that was called; a name that is none is told with the nearest that is one."""
        name = args[0]
        if name in self.commands_by_name or name.startswith("-"):
            return super().resolve_command(ctx, args)
        from difflib import get_close_matches  # noqa: PLC0415  only for what was mistyped

        near = get_close_matches(name, self.commands_by_name, n=1)
        raise click.UsageError(f"No such command {name!r}." + "".join(f" Did you mean {each!r}?" for each in near), ctx)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a broken pipe is kept from click, which would call it a failure."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise ReaderLeftError from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table, importing none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, SHORT_HELP[name]) for name in self.list_commands(ctx)])
