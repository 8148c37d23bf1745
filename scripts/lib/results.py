# SPDX-License-Identifier: GPL-2.0
"""Write results: tables, JSON, JUnit; page.py makes a page of them. Nothing else does.

Usage: scripts/lib/results.py FOLDER JSON [finished]
"""
from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import build
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


def state(of=build.DEFAULT) -> dict[str, str]:
    """What a result is of, as far as that is known; nothing of it is asked for in vain."""
    def first(*command) -> str:
        try:
            return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout.partition("\n")[0]
        except OSError:
            return ""

    chain = env.read(f"{build.WORK}.chain").split() or [""]
    rust, qemu = build.rust_tools(of), build.ARCHES[of.arch][2]
    found = {"kernel": " ".join(filter(None, map(os.environ.get, ("KDIR", "BASE")))), "series": first("git", "--no-optional-locks", "-C", env.ORIGIN, "describe", "--always", "--dirty"), "state": env.STATE,
             "base": chain[0], "tip": chain[-1], "clang": first(build.llvm("clang"), "--version"),
             "rustc": first(rust["rustc"], "--version"), "bindgen": first(rust["bindgen"], "--version"),
             "qemu": first(f"qemu-system-{qemu}", "--version") if qemu else "",
             "host": " ".join((os.uname().nodename, os.uname().sysname, os.uname().release, os.uname().machine)),
             "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    return {name: value for name, value in found.items() if value}


@dataclass
class Failure:
    """What every report says of one, and the last lines on the terminal."""
    what: str               # a row, or a patch and its gate
    reason: list[str]
    log: str
    again: str

    def text(self) -> str:
        return "\n".join(map(clean, [f"{self.what}:", *(f"  {line}" for line in self.reason),
                                     f"  log: {self.log}", f"  again: {self.again}"]))


@dataclass
class Case:
    suite: str              # for JUnit: FLAVOUR.NNNN.SUITE, or the name of a command
    name: str
    status: str = "PASS"    # PASS, FAIL, SKIP
    failures: list[Failure] = field(default_factory=list)
    seconds: float = 0


def write_junit(path, name: str, cases: list[Case], of: dict[str, str]) -> None:
    """JUnit. Readers keep one case of a name, so no two have the same."""
    root = ET.Element("testsuites", name=clean(name))
    properties = ET.SubElement(ET.SubElement(root, "testsuite", name="state", tests="0", failures="0"), "properties")
    for key, value in of.items():
        ET.SubElement(properties, "property", name=key, value=clean(value))
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
            message = next((line for f in case.failures for line in f.reason), case.status)
            ET.SubElement(element, "failure", message=clean(message)).text = "\n".join(f.text() for f in case.failures) or case.status
    for suite in suites.values():
        suite.set("tests", str(len(suite)))
        suite.set("failures", str(len(suite.findall("*/failure"))))
    env.write(path, ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n")


def counts(line: str) -> tuple[int, int, int] | None:
    """What the last line of an output says: (passed, failed, skipped)."""
    found = COUNTS.match(line.rstrip())
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None


def total(passed: int, failed: int) -> str:
    return coloured(f"{passed} passed, {failed} failed")


TERMINAL = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
VERDICT = re.compile(r"(?P<bad>\b(?:not ok|FAIL|[1-9]\d* failed)\b)|\bok\b|^\d+ passed, 0 failed")


def coloured(line: str) -> str:
    """On a terminal, what is good and bad of a line that begins with a verdict, or with the number of a patch."""
    if not TERMINAL or not re.match(r" *(?:ok|not ok|FAIL|\d+ )", line):
        return line
    return VERDICT.sub(lambda found: f"\033[{31 if found['bad'] else 32}m{found[0]}\033[m", line)


class Checks:
    """Checks with a line each, what is wrong below it, and the last line that counts them."""

    def __init__(self) -> None:
        self.passed = self.failed = 0

    def check(self, name: str, problems=(), notes=()) -> None:
        self.passed += not problems
        self.failed += bool(problems)
        print(coloured(f"{'FAIL ' if problems else 'ok   '} {clean(name)}"))
        for line in problems or notes:
            print(f"      {clean(line)}")
        sys.stdout.flush()

    def done(self) -> int:
        print(total(self.passed, self.failed))
        return 1 if self.failed or not self.passed else 0


def check(folder: Path, path: str, finished: str = "") -> None:
    """A file for each gate of scripts/check, in order: its name, "ok" or "FAIL", then what is wrong."""
    env.need_writable(path)
    gates, failures = [], []
    for file in sorted(folder.iterdir()):
        name, verdict, *problems = file.read_text(errors="replace").split("\n")
        gates.append({"gate": name, "ok": verdict == "ok", "problems": [p for p in problems if p]})
        if verdict != "ok":
            failures.append(Failure(f"check, gate {name}", gates[-1]["problems"], str(file), env.NAMED + env.COMMAND))
    if finished or not env.special(path):
        write_json(path, {"state": state(), "finished": bool(finished), "passed": len(gates) - len(failures), "failed": len(failures),
                          "failures": [vars(f) for f in failures], "gates": gates})


if __name__ == "__main__":
    env.main(lambda arguments: check(Path(arguments[0]), *arguments[1:]) or 0)
