"""docs/configuration.md lists every setting with its default and its help."""

from __future__ import annotations

from settings_table import make_tables, read_tables

from monitor.config import load


def test_the_tables_are_current():
    """`python tests/support/settings_table.py` writes them anew."""
    assert read_tables() == make_tables()


def test_every_setting_is_there():
    """No section and no setting is missing from the tables."""
    lines = read_tables().splitlines()
    for section, kind in load.section_types().items():
        assert f"### {section}" in lines
        assert all(any(line.startswith(f"| `{key}` |") for line in lines) for key in load.key_types(kind))
