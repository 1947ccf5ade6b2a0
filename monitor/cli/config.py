"""`speedmon config`: write a configuration file, change it, or print the settings in force."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from monitor.cli.options import config_option, load_settings
from monitor.config import edit, load, paths
from monitor.errors import ConfigError, OutputError, UsageError
from monitor.system import files


@click.group(name="config")
def group() -> None:
    """Write, change or show the configuration."""


@group.command()
@click.option("--output", type=click.Path(path_type=Path), help="File to write; - is standard output.")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@config_option
@click.pass_context
def init(ctx: click.Context, output: Path | None, force: bool) -> None:
    """Write a file with every setting, its description and its default.

    It goes where speedmon looks for it: --config, $SPEEDMON_CONFIG, /etc/speedmon for root, or ~/.config/speedmon.
    """
    file = output or ctx.find_root().obj or _default_file()
    if file == Path("-"):
        click.echo(load.config_template().encode(), nl=False)
        return
    _write_file(file, load.config_template(), force=force)
    click.echo(f"wrote {file}")


@group.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@config_option
@click.pass_context
def show(ctx: click.Context, as_json: bool) -> None:
    """Print the settings in force.

    The environment takes precedence over the file, the file over the defaults; passwords in URLs are left out.
    """
    settings = load_settings(ctx)
    file = load.find_config_file(ctx.find_root().obj, os.environ)
    if as_json:
        shown = {"file": str(file) if file else None, "settings": load.to_dict(settings)}
        click.echo(json.dumps(shown, ensure_ascii=False, indent=2).encode("utf-8", "replace"))
        return
    click.echo(f"# from {file or 'no file'}, the environment and the defaults\n")
    click.echo(load.to_toml(settings).encode(), nl=False)


@group.command(name="set")
@click.argument("key", metavar="SECTION[.N].KEY")
@click.argument("value", metavar="VALUE")
@config_option
@click.pass_context
def set_command(ctx: click.Context, key: str, value: str) -> None:
    """Change one setting in the file and keep the rest of it, comments too.

    Of several [[schedule]] or [[plan]], N is the number or the name of one. Several values are separated by commas.
    The service reads its file again with: sudo systemctl reload speedmon-serve.
    """
    file = load.find_config_file(ctx.find_root().obj, os.environ) or _default_file()
    text = _read_file(file)
    section, entry, name = _split_key(key, text)
    changed = edit.set_value(text, section, name, load.parse_value(section, name, value), entry)
    load.parse_settings(changed, str(file))
    _replace_file(file, changed)
    click.echo(f"{file}: {key} is set")


def _split_key(key: str, text: str) -> tuple[str, int | None, str]:
    """Return section, place of the entry from 0 on (None: a plain section) and name of SECTION.KEY or SECTION.N.KEY."""
    parts = key.split(".")
    if len(parts) == len(("section", "key")):
        return parts[0], None, parts[1]
    if len(parts) != len(("section", "entry", "key")):
        raise UsageError(f"{key!r} names no setting: write SECTION.KEY, such as collect.engine")
    section, entry, name = parts
    if entry.isascii() and entry.isdigit():
        return section, int(entry) - 1, name
    names = edit.entry_names(text, section)
    if entry not in names:
        raise UsageError(f"{key!r}: no [[{section}]] is called {entry!r}: write its number, such as {section}.1.{name}")
    return section, names.index(entry), name


def _read_file(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error


def _replace_file(file: Path, text: str) -> None:
    """Replace the file in one step; its mode, owner and group stay."""
    try:
        files.make_folder(file.parent, 0o755)
        files.update_file(file, text.encode())
    except OSError as error:
        raise OutputError(f"{file}: cannot be written: {error.strerror}") from error


def _default_file() -> Path:
    if configured := os.environ.get("SPEEDMON_CONFIG"):
        return Path(configured)
    candidates = paths.config_files(os.environ)
    return candidates[-1] if os.geteuid() == 0 else candidates[0]


def _write_file(file: Path, text: str, *, force: bool) -> None:
    if os.path.lexists(file) and not force:
        raise UsageError(f"{file}: already exists: --force overwrites it, --output names another")
    try:
        files.make_folder(file.parent, 0o755)
    except OSError as error:
        raise OutputError(f"{file}: cannot be written: {error.strerror}; --output names another place") from error
    files.write_file(file, text.encode())
