"""Make the schema or bring it up to date: the only importer of alembic outside `migrations`.

The scripts run in one transaction that holds the write lock, so two processes that start at once do not collide: the
second one finds the work done.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

import migrations
from monitor.errors import StoreError
from monitor.store.open import engine_of, explained, version_of
from monitor.store.tables import SCHEMA_VERSION

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection


def upgrade(place: URL) -> tuple[str | None, str]:
    """Upgrade the schema to this program's; return the revisions before (None: the database was empty) and after.

    Raises:
        StoreError: the database cannot be written, is another program's, or newer than this program.
    """
    with explained(place), engine_of(place, writes=True).begin() as connection:
        found = version_of(connection)
        if found != SCHEMA_VERSION:
            _refuse_newer(found, place)
            _run_scripts(connection)
    return found, SCHEMA_VERSION


def script_head() -> str | None:
    """Return the revision of the newest script."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _refuse_newer(found: str | None, place: URL) -> None:
    if found is not None and found > SCHEMA_VERSION:
        raise StoreError(
            f"{place}: its schema {found} is newer than this program, which knows {SCHEMA_VERSION}: upgrade speedmon"
        )


def _run_scripts(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    folder = Path(migrations.__path__[0])
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config
