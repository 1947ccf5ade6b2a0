"""The usual recipe and speedmon on the same home networks: ask both the same questions, and write docs/namespace.md.

    python benchmarks/baseline.py        as root; the machine itself is not changed

tests/rounds.py has the questions and tests/recipe.sh the recipe; tests/test_namespace_doc.py compares the answers.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import documented
from baseline import USER, WAYS, home
from rounds import ROUNDS, table
from tools import MACHINE, need


def main() -> None:
    """Ask the questions, print the answers and write the page."""
    answers = {
        way.name: {words: found for each in ROUNDS.values() for words, found in each.answers(way).items()}
        for way in WAYS
    }
    documented.write(documented.MEASURED, table(answers))
    with home(WAYS[1], "") as at:
        documented.write(documented.PRINTED, documented.printed_steps(at.street, USER))
    print(table(answers))


if __name__ == "__main__":
    need(*MACHINE, "musl-gcc:musl-tools", "cc:gcc", "setcap:libcap2-bin", "ping:iputils-ping", root=True)
    main()
