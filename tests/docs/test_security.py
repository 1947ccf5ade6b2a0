"""Each promise of the page on security names a test; licences are known, and the audit says what it could do."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import licence_table
import pytest
from places import ROOT

PAGE = ROOT / "docs" / "security.md"
PROMISE = re.compile(r"^\| (?P<promise>[^|]+) \| (?P<against>[^|]+) \| (?P<tests>[^|]*) \|$", re.MULTILINE)


def promises() -> list[tuple[str, str, list[str]]]:
    """Return each promise, against whom it is, and the tests that hold it."""
    part = PAGE.read_text().partition("## What is promised")[2].partition("\n## ")[0]
    rows = [match for match in PROMISE.finditer(part) if match["promise"] not in {"promise", "---"}]
    return [(row["promise"], row["against"], re.findall(r"`([^`]+)`", row["tests"])) for row in rows]


def test_each_promise_has_its_test():
    """A promise without a test, or with one that is gone, is none."""
    assert len(promises()) > 8
    for promise, _, tests in promises():
        assert tests, promise
        for test in tests:
            path, _, name = test.partition("::")
            assert re.search(rf"def test_{name.removeprefix('test_')}", (ROOT / path).read_text()), test


def test_reporting_a_weakness_is_described_without_an_invented_address():
    """Nobody is sent to a mailbox that does not exist."""
    text = (ROOT / "SECURITY.md").read_text()
    assert "Report a vulnerability" in text
    assert not re.search(r"\S+@\S+", text)


def test_the_page_of_licences_is_that_of_the_lock_file():
    """`make licences` writes it."""
    assert licence_table.PAGE.read_text() == licence_table.write_page()


@pytest.mark.parametrize("name", sorted({name for name, _ in licence_table.locked_packages()}))
def test_each_licence_is_permitted(name: str):
    """A package that names no licence, or one that nobody has looked at, is not delivered."""
    assert licence_table.is_permitted(licence_table.find_licence(name))


@pytest.mark.parametrize("licence", ["unknown", "GPL-3.0-only", "MIT AND GPL-2.0-only", "Proprietary"])
def test_a_licence_that_binds_the_program_is_not(licence: str):
    """An expression is permitted by one alternative that is wholly permitted."""
    assert not licence_table.is_permitted(licence)
    assert licence_table.is_permitted(f"{licence} OR Apache-2.0")


def test_without_a_source_of_advisories_the_audit_says_so():
    """Where the network or the mirror has none, it is one line, and no failure."""
    environ = {**os.environ, "https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    done = subprocess.run(
        [ROOT / "scripts/audit", sys.executable, ROOT / "requirements.lock"],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "audit: skipped: no source of advisories can be reached\n"
