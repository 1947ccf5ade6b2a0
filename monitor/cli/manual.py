"""The manual page and the shells' completions, generated from the commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from monitor.cli.main import cli
from monitor.install.model import COMPLETION_FILES, MANUAL_FILE

VARIABLE = "_SPEEDMON_COMPLETE"


def generated_files() -> dict[str, str]:
    """Return the text of each generated file, by its path."""
    files = {MANUAL_FILE: manual_page()}
    for shell, path in COMPLETION_FILES.items():
        kind = get_completion_class(shell)
        if kind is not None:
            files[path] = _source(kind(cli, {}, "speedmon", VARIABLE))
    return files


def _source(completion: click.shell_completion.ShellComplete) -> str:
    # `source` of bash also asks the installed bash for its version; the template is the same for all.
    return completion.source_template % completion.source_vars()


def manual_page() -> str:
    """Return speedmon(1) as troff."""
    top = click.Context(cli, info_name="speedmon")
    parts = [
        '.TH SPEEDMON 1 "" "speedmon" "User Commands"',
        ".SH NAME\nspeedmon \\- internet speed tests on a schedule, over IPv4 only",
        ".SH SYNOPSIS\n.B speedmon\n[\\-\\-config FILE] COMMAND [OPTION]...",
        f".SH DESCRIPTION\n{_escape(cli.help or '')}",
        ".SH COMMANDS",
        *(_command_section(cli, top, name) for name in cli.list_commands(top)),
        ".SH FILES\n.TP\n.I /etc/speedmon/config.toml\nthe settings of this machine",
        ".TP\n.I /var/lib/speedmon/speedmon.db\nits results",
    ]
    return "\n".join(parts) + "\n"


def _command_section(group: click.Group, context: click.Context, name: str) -> str:
    command = group.get_command(context, name)
    if command is None:
        return ""
    inner = click.Context(command, info_name=name, parent=context)
    lines = [f".SS {_escape(inner.command_path)}", _escape(command.help or "")]
    records = filter(None, (parameter.get_help_record(inner) for parameter in command.get_params(inner)))
    lines += [f".TP\n.B {_escape(names)}\n{_escape(text)}" for names, text in records]
    if isinstance(command, click.Group):
        lines += [_command_section(command, inner, inner_name) for inner_name in command.list_commands(inner)]
    return "\n".join(lines)


def _escape(text: str) -> str:
    """Return text in which nothing is an order of troff."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    lines = (line.strip() for line in escaped.splitlines())
    return "\n".join(f"\\&{line}" if line.startswith((".", "'")) else line for line in lines).strip()
