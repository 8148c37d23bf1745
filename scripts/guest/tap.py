# SPDX-License-Identifier: GPL-2.0
"""The writer of TAP."""
from __future__ import annotations

import os
import shlex
import sys

import env
from results import coloured


class Tap:
    """A line for each check, as it is made; a copy goes to the file `log`.

    With an indent, it is a subtest, and the one around it tells what was counted.
    """

    def __init__(self, log=None, indent=""):
        self.passed = self.failed = 0
        self.indent = indent
        self.bad: list[str] = []
        self.log = None
        if log:
            os.makedirs(os.path.dirname(log) or ".", exist_ok=True)
            self.log = open(log, "w", buffering=1, errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _):
        if kind:
            # (In a subtest, too, it ends all.)
            status = error.code if kind is SystemExit and isinstance(error.code, int) else 0
            print("Bail out!", f"ended by signal {status - 128}" if status > 128 else f"{kind.__name__}: {error}", flush=True)
        if self.log:
            self.log.close()

    def say(self, *lines):
        for line in lines:
            print(coloured(f"{self.indent}{line}"), flush=True)
            if self.log:
                print(line, file=self.log)

    def check(self, name, ok, *seen):
        """What was seen is of interest if it is not ok."""
        self.say(f"{'ok' if ok else 'not ok'} {self.passed + self.failed + 1} - {name}")
        if ok:
            self.passed += 1
        else:
            self.failed += 1
            self.bad.append(f"{self.passed + self.failed} - {name}")
            self.say(*(f"# {line}" for text in seen for line in str(text).splitlines()))
        return ok

    def equal(self, name, seen, expected):
        return self.check(name, seen == expected, f"seen:     {seen}\nexpected: {expected}")

    def end(self, *notes):
        if self.bad and not self.indent:
            notes = *notes, *(f"# failed: {name}" for name in self.bad), f"# again: {env.NAMED}{env.COMMAND} {shlex.join(sys.argv[1:])}".rstrip()
            notes += (f"# log: {self.log.name}",) if self.log else ()
        self.say(f"1..{self.passed + self.failed}", *notes)
        totals = f"{self.passed} passed, {self.failed} failed"
        if not self.indent:
            self.say(totals)
        elif self.log:
            print(totals, file=self.log)
