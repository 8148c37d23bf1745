# SPDX-License-Identifier: GPL-2.0
"""Compare what scripts/boot recorded with two drivers of the PL061; print TAP.

Usage: ci/pl061/compare.py DIFFERENCES C RUST

C and RUST are the record.json of each driver, see record.py. In each
operation userspace has to see the same, and the registers have to be accessed in
the same way; both drivers have to have the same callbacks and get the same
checks. What differs has to be declared in DIFFERENCES, and to differ just so.
Every callback that a driver has must have been called.
"""
import configparser
import difflib
import json
import sys

from tap import Tap

DRIVERS = ("c", "rust")
SECTIONS = {"check": "fails", "operation": "diff", "callback": "only"}


class DifferencesError(Exception):
    """The file of differences is not as it should be."""


def differences(path, kind):
    """What the file declares of a kind: {name: {key: value}}."""
    file = configparser.ConfigParser(delimiters="=", comment_prefixes="#", interpolation=None)
    try:
        with open(path) as lines:
            file.read_file(lines)
    except (OSError, configparser.Error) as error:
        raise DifferencesError(error) from None
    found = {}
    for section in file.sections():
        which, _, name = section.partition(" ")
        key, entries = SECTIONS.get(which), dict(file[section])
        if not name or set(entries) != {key, "reason"} or not all(entries.values()):
            raise DifferencesError(f"{path}: [{section}]: there are [check NAME] with fails, [operation NAME] "
                                   "with diff and [callback NAME] with only, each of them with reason")
        if key != "diff" and entries[key] not in DRIVERS:
            raise DifferencesError(f"{path}: [{section}]: {key} = {entries[key]}: a driver is c or rust")
        if which == kind:
            found[name] = {**entries, "reason": " ".join(entries["reason"].split())}
    return found


def diff(c, rust):
    """Both sequences in one: "- " before what is in C only, "+ " before what is in Rust only."""
    lines = []
    for tag, c1, c2, r1, r2 in difflib.SequenceMatcher(None, c, rust, autojunk=False).get_opcodes():
        if tag == "equal":
            lines += c[c1:c2]
        else:
            lines += [f"- {line}" for line in c[c1:c2]] + [f"+ {line}" for line in rust[r1:r2]]
    return lines


def sides(lines):
    """The sequences that `diff` was made of."""
    return [[line.removeprefix(f"{own} ") for line in lines if not line.startswith(f"{other} ")]
            for own, other in ("-+", "+-")]


class Comparison(Tap):
    def __init__(self, path, log=None, indent=""):
        self.declared = {kind: differences(path, kind) for kind in SECTIONS}
        super().__init__(log, indent)

    def operation(self, name, c, rust):
        declared = self.declared["operation"].pop(name, None)
        if c is None or rust is None:
            self.check(name, False, f"recorded with the driver in {'Rust' if c is None else 'C'} only")
        elif not declared:
            self.check(name, c == rust, "it differs, and that is not declared (- C, + Rust):", *diff(c, rust))
        elif c == rust:
            self.check(name, False, "declared as a difference, but there is none:", *c)
        else:
            # (As the file has it: there, no line ends or begins with blanks.)
            c, rust = ([" ".join(line.split()) for line in side] for side in (c, rust))
            lines = [" ".join(line.split()) for line in declared["diff"].strip().splitlines()]
            self.check(f"{name} # differs: {declared['reason']}", sides(lines) == [c, rust],
                       "it differs (- C, + Rust):", *diff(c, rust), "but declared is:", *lines)

    def callback(self, name, calls):
        """`calls`: for each driver that has the callback, the operations in which it was called."""
        only = self.declared["callback"].pop(name, {}).get("only")
        has = [driver for driver in DRIVERS if driver in calls]
        self.check(f"callback {name}: of {' and '.join(has)}", has == ([only] if only else list(DRIVERS)),
                   f"declared as one of {only} alone" if only else "it is not declared that the other has none")
        self.check(f"callback {name}: called", all(calls.values()),
                   *(f"not with the driver in {driver}" for driver in has if not calls[driver]))

    def records(self, *records):
        """Compare all of what was recorded with the driver in C and in Rust."""
        alone = set(records[0]["checks"]) ^ set(records[1]["checks"])
        self.check("both drivers got the same checks", not alone, *sorted(alone))
        recorded = [{f"{guest}: {name}": lines for guest, seen in record["guests"].items()
                     for name, lines in seen["operations"].items()} for record in records]
        # (In the order in which they happened.)
        for name in dict.fromkeys([*recorded[0], *recorded[1]]):
            self.operation(name, *(operations.get(name) for operations in recorded))
        for name in list(self.declared["operation"]):
            self.check(f"{name}: declared as a difference, but there is no such operation", False)
        # Two empty records would be equal.
        silent = [f"{driver}: {guest}" for driver, record in zip(DRIVERS, records)
                  for guest, seen in record["guests"].items()
                  if not any(line.startswith(("r ", "w ")) for lines in seen["operations"].values() for line in lines)]
        self.check("registers were accessed in each guest", all(recorded) and not silent, *silent)
        reached = [callbacks(record) for record in records]
        self.check("callbacks were watched", all(reached))
        names = sorted({*reached[0], *reached[1]})
        for name in names:
            self.callback(name, {driver: calls[name] for driver, calls in zip(DRIVERS, reached) if name in calls})
        for name in list(self.declared["callback"]):
            self.check(f"callback {name}: declared as a difference, but there is no such callback", False)
        self.end("# In how many operations a callback was called, C and Rust, and the first in each guest:",
                 *(self.summary(name, *reached) for name in names))

    @staticmethod
    def summary(name, *reached):
        counts = [len(calls[name]) if name in calls else "-" for calls in reached]
        first = {}
        for operation in (operation for calls in reached for operation in calls.get(name, [])):
            first.setdefault(operation.partition(":")[0], operation)
        return f"# {name:36} {counts[0]:>3} {counts[1]:>3}  {'; '.join(first.values())}"


def callbacks(record):
    """In which operations the driver's callbacks were called: {callback: [operation]}."""
    found = {}
    for guest, recorded in record["guests"].items():
        for name, operations in recorded["callbacks"].items():
            found.setdefault(name, []).extend(f"{guest}: {operation}" for operation in operations)
    return found


def compare(path, c, rust, log=None, indent=""):
    """Compare two records; return the TAP."""
    records = []
    for name in (c, rust):
        with open(name) as record:
            records.append(json.load(record))
    with Comparison(path, log, indent) as tap:
        tap.say("TAP version 13")
        tap.records(*records)
    return tap


def main():
    if len(sys.argv) != 4:
        print(__doc__.strip())
        return 0 if "-h" in sys.argv or "--help" in sys.argv else 2
    try:
        return 1 if compare(*sys.argv[1:]).failed else 0
    except (DifferencesError, OSError, ValueError) as error:
        print(f"compare.py: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
