# SPDX-License-Identifier: GPL-2.0
"""Write results: tables, JSON, JUnit. Nothing else does.

Usage: scripts/lib/results.py FOLDER JSON
"""
from __future__ import annotations

import json
import re
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import env

# What neither XML nor a terminal takes. (A console prints anything.)
UNPRINTABLE = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
COUNTS = re.compile(r"(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$")


def clean(text) -> str:
    return UNPRINTABLE.sub("?", str(text))


def cleaned(value):
    """The same with all of its strings clean."""
    if isinstance(value, dict):
        return {clean(key): cleaned(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [cleaned(item) for item in value]
    return clean(value) if isinstance(value, str) else value


def write_json(path, value) -> None:
    env.write(path, json.dumps(cleaned(value), indent=1) + "\n")


def in_readme(name: str, markdown: str) -> None:
    """Put a table between its two marks in README.md, of the user's repository where this is a copy of it."""
    path = env.ORIGIN / "README.md"
    before, begin, rest = path.read_text().partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- /{name} -->\n")
    if not end:
        env.die(2, f"README.md has no lines <!-- {name} --> and <!-- /{name} -->: put them back")
    env.write(path, before + begin + markdown + end + after)


@dataclass
class Case:
    suite: str              # for JUnit: FLAVOUR.NNNN.SUITE, or the name of a command
    name: str
    status: str = "PASS"    # PASS, FAIL, SKIP
    problems: list[str] = field(default_factory=list)
    seconds: float = 0


def write_junit(path, name: str, cases: list[Case]) -> None:
    """JUnit. Readers keep one case of a name, so no two have the same."""
    root = ET.Element("testsuites", name=clean(name))
    suites: dict[str, ET.Element] = {}
    seen: Counter = Counter()
    for case in cases:
        suite = suites.get(case.suite)
        if suite is None:
            suite = suites[case.suite] = ET.SubElement(root, "testsuite", name=clean(case.suite))
        key = (clean(case.suite), clean(case.name))
        seen[key] += 1
        unique = key[1] if seen[key] == 1 else f"{key[1]} ({seen[key]})"
        element = ET.SubElement(suite, "testcase", classname=key[0], name=unique, time=f"{case.seconds:.1f}")
        if case.status == "SKIP":
            ET.SubElement(element, "skipped")
        elif case.status != "PASS":
            problems = [clean(problem) for problem in case.problems] or [case.status]
            ET.SubElement(element, "failure", message=problems[0]).text = "\n".join(problems)
    for suite in suites.values():
        suite.set("tests", str(len(suite)))
        suite.set("failures", str(len(suite.findall("*/failure"))))
    env.write(path, ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n")


def counts(line: str) -> tuple[int, int, int] | None:
    """What the last line of an output says: (passed, failed, skipped)."""
    found = COUNTS.match(line.rstrip())
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def total(passed: int, failed: int) -> str:
    return f"{passed} passed, {failed} failed"


class Checks:
    """Checks with a line each, what is wrong below it, and the last line that counts them."""

    def __init__(self) -> None:
        self.passed = self.failed = 0

    def check(self, name: str, problems=(), notes=()) -> None:
        self.passed += not problems
        self.failed += bool(problems)
        print(f"{'FAIL ' if problems else 'ok   '} {clean(name)}")
        for line in problems or notes:
            print(f"      {clean(line)}")
        sys.stdout.flush()

    def done(self) -> int:
        print(total(self.passed, self.failed))
        return 1 if self.failed or not self.passed else 0


def check(folder: Path, path: str) -> None:
    """A file for each gate of scripts/check, in order: its name, "ok" or "FAIL", then what is wrong."""
    gates = []
    for file in sorted(folder.iterdir()):
        name, state, *problems = file.read_text(errors="replace").split("\n")
        gates.append({"gate": name, "ok": state == "ok", "problems": [p for p in problems if p]})
    write_json(path, {"passed": sum(g["ok"] for g in gates), "failed": sum(not g["ok"] for g in gates), "gates": gates})


if __name__ == "__main__":
    env.main(lambda arguments: check(Path(arguments[0]), arguments[1]) or 0)
