# SPDX-License-Identifier: GPL-2.0
"""Compile the snippets that the compiler has to reject. See ci/compile-fail/run."""
from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import tempfile

import build
import env
import results
from env import CACHE, LOGS, TOP, die

FOLDER = TOP / "ci/compile-fail"
RUNS = LOGS / "compile-fail"
O = CACHE / "o/lockdep"
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


def main(names) -> int:
    known = sorted(path.stem for path in FOLDER.glob("*.rs"))
    for name in names:
        if name.startswith("-"):
            env.usage_error(f"unknown argument '{name}'")
        if name not in known:
            env.die(2, f"no snippet '{name}' in ci/compile-fail/")
    env.snapshot()
    build.need_tools()
    env.lock()
    env.need_space(4000)
    position, tip = build.tip()
    build.work_at(tip)
    log = RUNS / "build.log"
    log.unlink(missing_ok=True)
    if not build.configure("compile-fail", RUNS / "config.log", O, position, build.flavour("lockdep").files):
        die(1, f"the configuration is not what the fragments ask for: {RUNS}/config.log")
    if build.compile("compile-fail: kernel crate", log, O, "CLIPPY=1", "rust/"):
        env.say("\n".join(build.errors(log)))
        die(1, f"the build failed: {log}")
    base = command(O, build.rust_tools()["rustc"])
    tests = results.Checks()
    for name in names or known:
        tests.check(name, problems(base, O, (FOLDER / f"{name}.rs").read_text()))
    return tests.done()


if __name__ == "__main__":
    env.main(main)
