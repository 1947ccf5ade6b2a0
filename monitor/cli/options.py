"""Options that several commands share, and the decorators that give a command its settings."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from monitor.config import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.config.settings import Settings


# As the value of --probe, --path or --kind: all of them.
ALL = "all"

MAX_DAYS = 36_500


def _remember_config(ctx: click.Context, _parameter: click.Parameter, value: Path | None) -> None:
    if value is not None:
        ctx.find_root().obj = value


config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    expose_value=False,
    callback=_remember_config,
    is_eager=True,
    help="Configuration file (TOML).",
)


def days_option(help_text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option --days with this help text."""
    kind = click.IntRange(1, MAX_DAYS)
    return click.option("--days", type=kind, metavar="N", default=30, show_default=True, help=help_text)


class _Logging:
    """Whether this process is the program itself, whose log is set up once a command needs the settings."""

    wanted = False


def logs_to_stderr() -> None:
    """Have the log set up with the settings; a test that calls a command has one of its own."""
    _Logging.wanted = True


def load_settings(ctx: click.Context) -> Settings:
    """Return the settings from the file given by --config (before or after the command) and the environment."""
    if _Logging.wanted:
        from monitor.system.logs import set_up_logging

        set_up_logging(os.environ)
    return load.load_settings(ctx.find_root().obj, os.environ, os.geteuid())


def pass_source(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that reads runs --config, --database-url and --probe.

    It is called with the `Settings`, whose database is the one to read, and with `probes`, the names given; empty
    means all probes.
    """

    @click.option(
        "--database-url",
        metavar="URL",
        help="Read this database, such as that of a fleet, instead of the configured one.",
    )
    @click.option(
        "--probe",
        "probes",
        multiple=True,
        metavar="NAME",
        help="Only runs of this probe; can be repeated. `all`: every probe.",
    )
    @pass_settings
    @functools.wraps(function)
    def wrapper(
        settings: Settings, *args: Any, database_url: str | None, probes: tuple[str, ...], **kwargs: Any
    ) -> Any:
        if database_url:
            database = replace(settings.database, url=database_url)
            settings = replace(settings, database=database)
        else:
            apply_dated_plans(settings)
        return function(settings, *args, probes=() if ALL in probes else probes, **kwargs)

    return wrapper


def apply_dated_plans(settings: Settings) -> None:
    """Store the plans that have dates with the runs of this probe from before they were configured.

    Where that is not permitted, a note is printed: the plans that are stored with those runs stay.
    """
    if not settings.dated_plans:
        return
    from monitor.errors import StoreError
    from monitor.model import Plan
    from monitor.store.database_file import sqlite_path
    from monitor.store.plans import apply_plans, to_periods

    if not sqlite_path(settings.database.url):
        return
    periods = to_periods([(since, Plan(**plan.promised)) for since, plan in settings.plan_starts()])
    try:
        apply_plans(settings.database.url, settings.probe.name, periods)
    except StoreError as error:
        click.echo(f"speedmon: older runs are not compared with the plans of their days yet: {error}", err=True)


def pass_settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --config, and pass it the loaded `Settings` as its first argument."""

    @config_option
    @click.pass_context
    @functools.wraps(function)
    def wrapper(ctx: click.Context, *args: Any, **kwargs: Any) -> Any:
        return function(load_settings(ctx), *args, **kwargs)

    return wrapper
