"""What once broke a parser, an importer or the launcher does so no more, and a moment of fuzzing finds nothing."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import fuzz
import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def targets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, fuzz.Target]:
    """Return what is fuzzed."""
    return fuzz.find_targets(tmp_path_factory.mktemp("launcher"))


CORPUS = sorted(file.relative_to(fuzz.CORPUS) for file in fuzz.CORPUS.glob("*/*"))


@pytest.mark.parametrize("file", CORPUS, ids=str)
def test_what_broke_it_once_does_so_no_more(targets: dict[str, fuzz.Target], file: Path):
    """Each file of the corpus is read, or refused with an error of ours."""
    assert fuzz.run_case(targets[file.parts[0]], (fuzz.CORPUS / file).read_bytes()) is None


@pytest.mark.parametrize("name", ["ookla", "speedtest_cli", "librespeed", "iperf3", "import", "host", "launcher"])
def test_a_hundred_inputs_break_nothing(targets: dict[str, fuzz.Target], name: str):
    """The same ones each time, so that a failure can be looked at."""
    chance, target = random.Random(name), targets[name]  # noqa: S311  no secret
    for _ in range(100):
        data = fuzz.mutate(chance.choice(target.seeds), chance, target.seeds)
        assert fuzz.run_case(target, data) is None, data
