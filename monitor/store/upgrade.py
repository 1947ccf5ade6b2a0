"""Creates and upgrades the schema; the only importer of Alembic outside `migrations`.

The scripts run in one transaction that holds the write lock, so two processes that start at once do not collide: the
second one finds the schema upgraded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from sqlalchemy import column, select, table

import migrations
from monitor import preflight
from monitor.config_text import masked
from monitor.errors import StoreError
from monitor.store import postgres
from monitor.store.open import engine_of, explained, version_of
from monitor.store.tables import SCHEMA_VERSION

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select


MOST_BY_ITSELF = 10_000
"""The number of runs up to which any command upgrades a database in passing: some seconds on a small board."""


def upgrade(url: str, *, most: int | None = None) -> str | None:
    """Create the schema, or upgrade it to SCHEMA_VERSION; return the revision before, None if there was none.

    Raises:
        StoreError: the database cannot be written, is another program's, is newer than this program, or holds more
            than `most` runs.
    """
    if file := preflight.file_of(url):
        preflight.make_file(file)
    with explained(url), engine_of(url, writes=True).begin() as connection:
        if connection.dialect.name == "postgresql":
            postgres.alone(connection)
        version = version_of(connection)
        if version != SCHEMA_VERSION:
            _refuse_newer(version, url)
            if version is not None and most is not None:
                _refuse_bigger(connection, url, most)
            run_scripts(connection)
    return version


def run_scripts(connection: Connection, revision: str = "head") -> None:
    """Run the migration scripts that this database lacks, up to a revision, in the transaction of `connection`."""
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def scripts() -> list[Script]:
    """Return the migration scripts, newest first."""
    return [*ScriptDirectory.from_config(_config()).walk_revisions()]


def _refuse_newer(version: str | None, url: str) -> None:
    if version is not None and version > SCHEMA_VERSION:
        raise StoreError(
            f"{masked(url)}: its schema {version} is newer than this speedmon, which knows {SCHEMA_VERSION}:"
            " install the release that wrote it"
        )


def _refuse_bigger(connection: Connection, url: str, most: int) -> None:
    beyond: Select[tuple[int]] = select(column("pk")).select_from(table("runs")).limit(1).offset(most)
    if connection.scalar(beyond) is not None:
        raise StoreError(
            f"{masked(url)}: holds more than {most:,} runs in an older schema: run `speedmon db upgrade`,"
            " which may take minutes"
        )


def _config() -> Config:
    config = Config()
    folder = Path(migrations.__path__[0])
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config
