"""Options that several commands share."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitor import config

if TYPE_CHECKING:
    from collections.abc import Callable

    from monitor.settings import Settings


def _remember(ctx: click.Context, _parameter: click.Parameter, value: Path | None) -> None:
    if value is not None:
        ctx.find_root().obj = value


config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    expose_value=False,
    callback=_remember,
    is_eager=True,
    help="Configuration file (TOML).",
)


def settings_of(ctx: click.Context) -> Settings:
    """Return the settings of the file that --config names, wherever on the command line it stood."""
    return config.load(ctx.find_root().obj, os.environ, os.geteuid())


def pass_settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --config and call it with the loaded `Settings` as its first argument."""

    @config_option
    @click.pass_context
    @functools.wraps(function)
    def wrapper(ctx: click.Context, *args: Any, **kwargs: Any) -> Any:
        return function(settings_of(ctx), *args, **kwargs)

    return wrapper
