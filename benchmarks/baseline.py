"""The usual recipe and speedmon on the same home networks: ask both the same questions, and write docs/namespace.md.

    python benchmarks/baseline.py        as root; the machine itself is not changed

tests/support/namespace_rounds.py has the questions and tests/support/recipe.sh the recipe;
tests/docs/test_namespace.py compares the answers.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

import namespace_doc
from namespace_baseline import SETUP_METHODS, USER, open_home
from namespace_rounds import ROUNDS, format_table
from tools import MACHINE, need


def main() -> None:
    """Ask the questions, print the answers and write the page."""
    answers = {
        method.name: {
            question: answer for round_ in ROUNDS.values() for question, answer in round_.answers(method).items()
        }
        for method in SETUP_METHODS
    }
    namespace_doc.write_part(namespace_doc.MEASURED, format_table(answers))
    with open_home(SETUP_METHODS[1], "") as at:
        namespace_doc.write_part(namespace_doc.PRINTED, namespace_doc.format_dry_run(at.home, USER))
    print(format_table(answers))


if __name__ == "__main__":
    need(*MACHINE, "musl-gcc:musl-tools", "cc:gcc", "setcap:libcap2-bin", "ping:iputils-ping", root=True)
    main()
