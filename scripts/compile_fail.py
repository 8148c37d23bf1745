#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Compile the snippets of ci/compile-fail/, called by scripts/compile-fail.

Usage: scripts/compile_fail.py O RUSTC [NAME...]
"""
import glob
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../ci/compile-fail")
MARK = re.compile(r"//~ *(E\d+|lifetime)?\s*$")
# An error without a code.
LIFETIME = "lifetime may not live long enough"


def command(build, rustc):
    """The command line that the kernel used for its doctests, which are users of the crate."""
    with open(f"{build}/rust/.doctests_kernel_generated.o.cmd") as f:
        words = shlex.split(f.readline().partition(":=")[2])
    while "=" in words[0] and not words[0].startswith("-"):
        words.pop(0)
    flags, skip = [], False
    for word in words[1:-1]:
        if skip or word in ("--out-dir", "--crate-type"):
            skip = not skip
        elif not word.startswith(("--emit", "-W", "-D", "-A")):
            flags.append(word)
    return [rustc, *flags, "--crate-type", "lib", "--crate-name", "snippet", "-Awarnings",
            "--emit=metadata", "--error-format=json"]


def errors(base, build, text):
    """Compile; return [(code, message)]."""
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/snippet.rs"
        with open(path, "w") as f:
            f.write(text)
        done = subprocess.run([*base, "--out-dir", folder, path], cwd=build, text=True,
                              env={**os.environ, "RUSTC_BOOTSTRAP": "1"},
                              stderr=subprocess.PIPE, check=False)
    found, other = [], []
    for line in done.stderr.splitlines():
        try:
            message = json.loads(line)
        except ValueError:
            other.append(line)
            continue
        if message.get("level") == "error" and not message["message"].startswith("aborting"):
            code = (message.get("code") or {}).get("code")
            if message["message"].startswith(LIFETIME):
                code = "lifetime"
            found.append((code, message["message"]))
    if done.returncode != 0 and not found:
        found.append((None, " ".join(other) or f"rustc ended with status {done.returncode}"))
    return found


def problems(base, build, text):
    lines = text.splitlines(keepends=True)
    marks = [MARK.search(line) for line in lines]
    expected = {m[1] for m in marks if m and m[1]}
    if not expected:
        return ["no line with //~ and an error code"]
    clean = "".join(line for line, m in zip(lines, marks) if not m)
    found = [f"without the marked lines: {code}: {text}" for code, text in errors(base, build, clean)]
    # Each marked line has to be rejected by itself; the ones without a code go with all of them.
    for i, mark in enumerate(marks):
        if not (mark and mark[1]):
            continue
        one = "".join(line for j, (line, m) in enumerate(zip(lines, marks))
                      if not m or not m[1] or j == i)
        got = errors(base, build, one)
        if not got:
            found.append(f"line {i + 1} compiles")
        found += [f"line {i + 1}: {code or 'error'} instead of {mark[1]}: {text}"
                  for code, text in got if code != mark[1]]
    return found


def main(argv):
    if len(argv) < 2:
        print(__doc__.strip())
        return 2
    build, rustc, *names = argv
    names = names or sorted(os.path.basename(f)[:-3] for f in glob.glob(f"{FOLDER}/*.rs"))
    base = command(build, rustc)
    failed = 0
    for name in names:
        with open(f"{FOLDER}/{name}.rs") as f:
            found = problems(base, build, f.read())
        print(f"{'FAIL ' if found else 'ok   '} {name}")
        for problem in found:
            print(f"      {problem}")
        failed += bool(found)
    print(f"{len(names) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
