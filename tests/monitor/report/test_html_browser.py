"""A report in a real browser: nothing is asked of any network, nothing is complained of, and it prints."""

from __future__ import annotations

import json
import os
import re
from io import BytesIO
from typing import TYPE_CHECKING

import pytest
from example_documents import make_document
from pypdf import PdfReader

from monitor.report import write

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from private_machine import PrivateMachine


# No sandbox of its own: a root that tests has none. What a browser asks its maker for is not the page's.
CHROMIUM = [
    "chromium",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--enable-logging=stderr",
]

ROWS = 200

OWN = "not an origin"


def browse(world: PrivateMachine, page: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Open a page in a machine without a network, and return what the browser reported."""
    file = folder / "page.html"
    file.write_text(page)
    command = [*CHROMIUM, f"--user-data-dir={folder}/profile", *options, file.as_uri()]
    return world.run(command, env={"PATH": os.environ["PATH"], "HOME": str(folder)})


def asked(log: Path) -> set[str]:
    """Return the addresses of the network that the page asked for, by a log in which the browser's own stand too."""
    events = [event.get("params", {}) for event in json.loads(log.read_text())["events"]]
    ours = (event for event in events if event.get("initiator", OWN) != OWN)
    return {event["url"] for event in ours if not event["url"].startswith(("file:", "data:"))}


@pytest.fixture(scope="module", name="page")
def _page() -> str:
    file = BytesIO()
    write.write_html(make_document(ROWS), file)
    return file.getvalue().decode()


def test_it_loads_alone(machine: PrivateMachine, page: str, tmp_path: Path):
    """All rows are in the document that the browser made, no request left it, and the console is empty."""
    done = browse(machine, page, tmp_path, f"--log-net-log={tmp_path}/net.json", "--dump-dom")
    assert done.stdout.count('<th scope="row"') == ROWS + 1
    assert "CONSOLE" not in done.stderr
    assert asked(tmp_path / "net.json") == set()


def test_the_policy_holds(machine: PrivateMachine, page: str, tmp_path: Path):
    """What somebody smuggled in is neither loaded nor run, and the console says so: the test above would see it."""
    smuggled = "<img src='http://127.0.0.1:9/a.png'><script>document.title = 'owned'</script></main>"
    done = browse(
        machine, page.replace("</main>", smuggled), tmp_path, f"--log-net-log={tmp_path}/net.json", "--dump-dom"
    )
    assert "<title>owned" not in done.stdout
    assert done.stderr.count("CONSOLE") >= 2
    assert asked(tmp_path / "net.json") == set()


def test_without_the_policy_the_request_would_be_noticed(machine: PrivateMachine, page: str, tmp_path: Path):
    """The log of the network names what a page asks for."""
    open_page = re.sub(r"<meta http-equiv.*?>", "", page)
    smuggled = open_page.replace("</main>", "<img src='http://127.0.0.1:9/a.png'></main>")
    browse(machine, smuggled, tmp_path, f"--log-net-log={tmp_path}/net.json", "--dump-dom")
    assert asked(tmp_path / "net.json") == {"http://127.0.0.1:9/a.png"}


def test_it_prints_with_heads_and_numbers(machine: PrivateMachine, page: str, tmp_path: Path):
    """The table goes on over the pages, each with its head and its number."""
    browse(machine, page, tmp_path, "--no-pdf-header-footer", f"--print-to-pdf={tmp_path}/page.pdf")
    texts = [sheet.extract_text() for sheet in PdfReader(tmp_path / "page.pdf").pages]
    with_rows = [text for text in texts if "run 0" in text]
    assert len(with_rows) > 1
    assert all("Start" in text and "Download" in text for text in with_rows)
    assert all(f"{number} / {len(texts)}" in text for number, text in enumerate(texts, 1))
    assert sum(len(re.findall(r"run \d{4}", text)) for text in texts) == ROWS


def test_a_phone_need_not_move_the_page(machine: PrivateMachine, page: str, tmp_path: Path):
    """Only what is wide scrolls, within itself: the page is as wide as the screen."""
    ruler = "<script>const d = document.documentElement; document.title = d.scrollWidth - d.clientWidth</script></body>"
    measured = re.sub(r"<meta http-equiv.*?>", "", page).replace("</body>", ruler)
    done = browse(machine, measured, tmp_path, "--window-size=500,900", "--dump-dom")
    assert "<title>0</title>" in done.stdout
