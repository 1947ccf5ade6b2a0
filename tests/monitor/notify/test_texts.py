"""The words of messages, and templates of the user's own."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from example_runs import START

from monitor.analysis.watches import NewsKind
from monitor.notify.judgements import AlertKind
from monitor.notify.queue import merge_notices
from monitor.notify.states import Notice
from monitor.notify.texts import BUILT_IN, TextContext, render_message

if TYPE_CHECKING:
    from pathlib import Path

CONTEXT = TextContext(ZoneInfo("UTC"), "http://10.0.0.2:8765")

AT = int(START.timestamp())

BEGAN = Notice(AlertKind.DOWN, NewsKind.BEGAN, "home", "ip4only", AT + 900, AT, None, "r1", "dns (line): no answer", 2)

ENDED = replace(BEGAN, change=NewsKind.ENDED, at=AT + 7500, ended=AT + 7200)


@pytest.mark.parametrize(
    ("notices", "title", "text"),
    [
        (
            [BEGAN],
            "home: line down",
            (
                "home (ip4only): The line is down since 23 Nov 13:17: dns (line): no answer.\n"
                "http://10.0.0.2:8765/runs/r1\n"
            ),
        ),
        (
            [ENDED],
            "home: line works again after 2 h",
            (
                "home (ip4only): The line was down from 23 Nov 13:17 to 23 Nov 15:17 (2 h): dns (line): no answer.\n"
                "http://10.0.0.2:8765/runs/r1\n"
            ),
        ),
        (
            [replace(BEGAN, change=NewsKind.REMINDER, at=AT + 86_400)],
            "home: still line down",
            (
                "home (ip4only): Still: The line is down since 23 Nov 13:17 (1 day): dns (line): no answer.\n"
                "http://10.0.0.2:8765/runs/r1\n"
            ),
        ),
        (
            [replace(BEGAN, alert=AlertKind.ISP, change=NewsKind.CHANGED, before="A", after="B", evidence="")],
            "home: ISP changed",
            "home (ip4only): The ISP changed on 23 Nov 13:32 from A to B.\nhttp://10.0.0.2:8765/runs/r1\n",
        ),
        (
            [replace(BEGAN, alert=AlertKind.STALE, path="", run_id="", evidence="")],
            "home: no results",
            "home: Nothing has been recorded since 23 Nov 13:17.\n",
        ),
    ],
)
def test_a_message_says_what_happened_and_when(notices: list[Notice], title: str, text: str):
    """With the evidence in a sentence, and a link to the run."""
    message = render_message(merge_notices(notices), CONTEXT)
    assert (message.title, message.text) == (title, text)


def test_several_outages_are_one_message():
    """Each with its own times."""
    later = [replace(each, began=AT + 90_000, ended=each.ended and AT + 93_600, run_id="r2") for each in (BEGAN, ENDED)]
    message = render_message(merge_notices([BEGAN, ENDED, *later]), CONTEXT)
    assert message.title == "home: 2 outages"
    assert "from 23 Nov 13:17 to 23 Nov 15:17 (2 h)" in message.text
    assert "from 24 Nov 14:17 to 24 Nov 15:17 (1 h)" in message.text
    assert "runs/r1" in message.text
    assert "runs/r2" in message.text


@pytest.mark.parametrize(("alert", "change"), list(product(AlertKind, NewsKind)))
def test_every_state_has_words(alert: AlertKind, change: NewsKind):
    """For its beginning, its end, its reminder; changes of values only for values."""
    if (change is NewsKind.CHANGED) != (alert in {AlertKind.ISP, AlertKind.ADDRESS}):
        return
    notice = replace(ENDED if change is NewsKind.ENDED else BEGAN, alert=alert, change=change, before="A", after="B")
    message = render_message(merge_notices([notice]), CONTEXT)
    assert message.problem is None
    assert all(len(part) > 15 for part in (message.text, message.html))
    assert message.title.startswith("home: ")


def test_html_is_escaped():
    """What an engine printed is no markup."""
    message = render_message(merge_notices([replace(BEGAN, evidence="<b>&")]), CONTEXT)
    assert "&lt;b&gt;&amp;" in message.html
    assert "<b>&." in message.text


def test_a_template_of_the_user_replaces_one(tmp_path: Path):
    """The others stay."""
    (tmp_path / "message_title.txt").write_text("{{ items[0].probe }} ist {{ items[0].state }}")
    message = render_message(merge_notices([BEGAN]), replace(CONTEXT, folder=str(tmp_path)))
    assert message.title == "home ist down"
    assert message.text == render_message(merge_notices([BEGAN]), CONTEXT).text
    (tmp_path / "sentence.txt").write_text("Die Leitung, seit {{ item.began|time }}.")
    assert "seit 23 Nov 13:17." in render_message(merge_notices([BEGAN]), replace(CONTEXT, folder=str(tmp_path))).html


@pytest.mark.parametrize(
    "text", ["{{ items[0].nothing }}", "{% if %}", "{{ 1/0 }}", "{{ items[7].state }}", "{{ x|y }}"]
)
def test_a_template_that_fails_stops_no_message(tmp_path: Path, text: str):
    """The built-in text is sent, with the reason."""
    (tmp_path / "message.txt").write_text(text)
    message = render_message(merge_notices([BEGAN]), replace(CONTEXT, folder=str(tmp_path)))
    built_in = render_message(merge_notices([BEGAN]), CONTEXT)
    assert message.title == built_in.title
    assert message.text.startswith(built_in.text)
    assert f"a template in {tmp_path} (notify.templates) cannot be used" in message.text


def test_a_folder_that_is_not_there_changes_nothing(tmp_path: Path):
    """The built-in texts are used."""
    folder = str(tmp_path / "nowhere")
    assert render_message(merge_notices([BEGAN]), replace(CONTEXT, folder=folder)) == render_message(
        merge_notices([BEGAN]), CONTEXT
    )
    assert {"message.txt", "message.html", "digest.txt"} <= {file.name for file in BUILT_IN.iterdir()}
