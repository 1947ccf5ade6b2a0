"""`speedmon token`: tokens for the page and the API of `speedmon serve`."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import click

from monitor.output.units import format_exact_time
from web import tokens
from web.tokens import Role


@click.group("token")
def group() -> None:
    """Make, list and remove tokens for the page and the API.

    A program sends one as `Authorization: Bearer TOKEN`, a person enters it at /login.
    """


@group.command("add")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice([role.value for role in Role]),
    default=Role.READ.value,
    show_default=True,
    help="read: see everything; admin: also start tests, pause, and exclude runs.",
)
def add_command(name: str, role: str) -> None:
    """Make a token and print it, once: only a digest of it is kept."""
    file = tokens.tokens_file(os.environ, os.geteuid())
    click.echo(tokens.add_token(file, name, Role(role), datetime.now(UTC).replace(microsecond=0)))


@group.command("list")
def list_command() -> None:
    """List the tokens: name, role, and when each was made."""
    kept = tokens.read_tokens(tokens.tokens_file(os.environ, os.geteuid()))
    for token in kept:
        click.echo(f"{token.name:24} {token.role:6} {format_exact_time(token.created_at, ZoneInfo('UTC'))}")
    if not kept:
        click.echo("There is no token: `speedmon token add NAME` makes one.")


@group.command("remove")
@click.argument("name")
def remove_command(name: str) -> None:
    """Remove a token: it opens nothing any more, and ends what was logged in with it."""
    tokens.remove_token(tokens.tokens_file(os.environ, os.geteuid()), name)
    click.echo(f"Token {name} is removed.")
