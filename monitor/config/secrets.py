"""Secrets that stand in files of their own: `*_file` settings, and the credentials of systemd.

systemd puts the credentials of a service into $CREDENTIALS_DIRECTORY (`LoadCredential=database.url:/etc/…`); a file
there is called like the setting, such as `database.url`. No message holds the content of such a file.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from monitor.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

# Settings that may come from a file; `notify.urls` is several lines.
SECRET_SETTINGS = (
    ("database", "url"),
    ("fleet", "database_url"),
    ("notify", "urls"),
    ("notify", "ping_url"),
    ("mqtt", "url"),
)

# Of these, whoever sends reads the file.
READ_WHEN_SENT = frozenset({("notify", "urls"), ("mqtt", "url")})

MAX_BYTES = 65_536


def read_credentials(environ: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """Return the text of each setting of which systemd has passed a credential, by section and key.

    Raises:
        ConfigError: a credential cannot be read; the message names its file.
    """
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        return {}
    files = ((setting, Path(folder, ".".join(setting))) for setting in SECRET_SETTINGS)
    return {setting: read_secret(file, f"credential {file.name}") for setting, file in files if file.is_file()}


def read_secret(file: Path, name: str) -> str:
    """Return the lines of a file that are neither empty nor comments, with commas between.

    Raises:
        ConfigError: it cannot be read, or is no text of a few lines; the message has nothing of its content.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_BYTES + 1)
        text = content.decode()
    except OSError as error:
        raise ConfigError(f"{name}: {file}: cannot be read: {error.strerror}: let speedmon read it") from error
    except UnicodeDecodeError:
        raise ConfigError(f"{name}: {file}: is not UTF-8: write the secret as text") from None
    if len(content) > MAX_BYTES:
        raise ConfigError(f"{name}: {file}: is larger than {MAX_BYTES:,} bytes: name a file that has only the secret")
    lines = (line.strip() for line in text.splitlines())
    secret = ",".join(line for line in lines if line and not line.startswith("#"))
    if not secret:
        raise ConfigError(f"{name}: {file}: is empty: write the secret into it")
    return secret
