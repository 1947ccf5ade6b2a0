"""A small query to each name server: whether it replies, without any DNS library."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import dns.message

from netns.lab import servers
from netns.probe import name_trial
from netns.probe.name_trial import Trial, run_trials
from netns.setup import explain_silence

if TYPE_CHECKING:
    import pytest


def test_reply_of_any_kind_counts(monkeypatch: pytest.MonkeyPatch):
    """The query is one that a name server understands; an answer that does not belong to it is none."""
    monkeypatch.setattr(name_trial, "TRIAL_S", 60)
    with servers.bind_socket("127.0.0.1", 0) as listener:

        def serve() -> None:
            query, sender = listener.recvfrom(4096)
            assert dns.message.from_wire(query).question[0].to_text() == "example.com. IN A"
            listener.sendto(b"??\x80" + query[3:], sender)
            listener.sendto(servers.answer_query(query) or b"", sender)

        thread = threading.Thread(target=serve)
        thread.start()
        trial = Trial("127.0.0.1", listener.getsockname()[1])
        run_trials([trial])
        thread.join()
    assert trial.replied


def test_closed_port_and_bad_addresses_do_not_reply():
    """What cannot answer is given up at once: nobody waits for it."""
    with servers.bind_socket("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
    trials = [Trial("127.0.0.1", port), Trial("not an address"), Trial("::1", port)]
    run_trials(trials)
    assert not any(trial.replied for trial in trials)


def test_message_names_the_servers_and_the_fix():
    """Who was asked, who answers the host, and what to set."""
    text = explain_silence(["192.0.2.1"], ["127.0.0.53"])
    assert "192.0.2.1" in text
    assert "127.0.0.53" in text
    assert "namespace.dns" in text
    assert "no name server is known" in explain_silence([], ["::1"])
