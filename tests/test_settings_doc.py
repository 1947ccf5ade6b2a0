"""docs/configuration.md lists every setting with its default and its help."""

from __future__ import annotations

from settings_table import printed, tables

from monitor import config


def test_the_tables_are_current():
    """`python tests/settings_table.py` writes them anew."""
    assert printed() == tables()


def test_every_setting_is_there():
    """No section and no setting is missing from the tables."""
    lines = printed().splitlines()
    for section, kind in config.sections().items():
        assert f"### {section}" in lines
        assert all(any(line.startswith(f"| `{key}` |") for line in lines) for key in config.keys(kind))
