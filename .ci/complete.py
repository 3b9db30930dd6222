"""Fail unless the report holds every folder of tests, and no test that was skipped.

Two skips are allowed: OpenAI's published document, which is not part of the project, and kubectl,
which no package registry has.
"""

import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

ALLOWED_SKIPS = ("OpenAI's document is not beside this project", "kubectl is not on PATH")
TESTS = Path(__file__).parents[1] / "tests"


def main(report: str) -> int:
    cases = list(ElementTree.parse(report).iter("testcase"))  # noqa: S314  # our own file
    skipped = [
        case.get("name")
        for case in cases
        for skip in case.iter("skipped")
        if not any(reason in (skip.get("message") or "") for reason in ALLOWED_SKIPS)
    ]
    ran = Counter((case.get("classname") or "").split(".")[1] for case in cases)
    missing = [
        folder.name
        for folder in sorted(TESTS.iterdir())
        if any(folder.rglob("test_*.py")) and not ran[folder.name]
    ]
    print(f"tests by folder: {dict(ran)}")
    for name in skipped:
        print(f"skipped: {name}")
    for name in missing:
        print(f"did not run: tests/{name}")
    return 1 if skipped or missing or not cases else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
