# SPDX-License-Identifier: GPL-2.0
"""What the kernel's own tools say. See ci/lint/run."""
from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import build
import env
import results
from env import CACHE, LOGS, die

O = CACHE / "o/lockdep"
RUNS = LOGS / "lint"
# (Debian's sparse, 0.6.4, does not know __typeof_unqual__, and Kbuild then skips it;
# nor that the length of a string is constant, which each MODULE_INFO() asserts.)
CHECK = "CHECK=sparse -D__typeof_unqual__=__typeof__ '-D__builtin_strlen(s)=(sizeof(s)-1)'"


def changed(base: str, *globs: str) -> list[str]:
    return subprocess.run(["git", "-C", build.WORK, "diff", "--name-only", "--diff-filter=d", base, "HEAD", "--", *globs],
                          capture_output=True, text=True, check=True).stdout.splitlines()


def about(log: Path, files) -> list[str]:
    """Lines of a log that warn of one of the files."""
    return [f"{number}: {line}" for number, line in enumerate(env.read(log).splitlines(), 1)
            if any(f"{file}:" in line for file in files) and ": note: in included file" not in line]


def rustdoc(log: Path, base: str) -> tuple[int, list[str]]:
    status = build.compile("lint: rustdoc", log, O, "rustdoc")
    print(f"rustdoc: {O}/Documentation/output/rust/rustdoc/kernel/index.html")
    return status, about(log, changed(base, "*.rs"))


def rusttest(log: Path, _base: str) -> tuple[int, list[str]]:
    return build.compile("lint: rusttest", log, O, "rusttest"), []


def sparse(log: Path, base: str) -> tuple[int, list[str]]:
    # (Helpers are one object.)
    objects = sorted({"rust/helpers/helpers.o" if file.startswith("rust/helpers/") else f"{file[:-1]}o"
                      for file in changed(base, "*.c")})
    for name in objects:
        (O / name).unlink(missing_ok=True)
    status = build.compile("lint: sparse", log, O, "C=1", CHECK, *objects)
    found = about(log, changed(base, "*.c", "*.h"))
    if "  CHECK " not in env.read(log):
        found.append(f"sparse was not run: {log}")
    return status, found


def plain(log: Path, _base: str) -> tuple[int, list[str]]:
    """The kernel's own kunit.py, which looks itself whether each option took effect."""
    o = CACHE / "o/plain"
    return env.run("lint: plain", log, [
        "env", "-C", build.WORK, sys.executable, "tools/testing/kunit/kunit.py", "config", "--arch=arm64", f"--build_dir={o}",
        *(f"--make_options={word}" for word in build.make(o) if word.startswith(("LLVM=", *build.VARIABLES))),
        *(f"--kunitconfig={build.FRAGMENTS}/{name}.config" for name in ("rust", "kunit", "lockdep"))]), []


TOOLS = {"rustdoc": rustdoc, "rusttest": rusttest, "sparse": sparse, "plain": plain}


def main(names) -> int:
    for name in names:
        if name not in TOOLS:
            env.usage_error(f"unknown argument '{name}'")
    env.snapshot()
    build.need_tools(*(["sparse"] if "sparse" in (names or TOOLS) else []))
    env.lock()
    env.need_space(4000)
    position, tip = build.tip()
    build.work_at(tip)
    shutil.rmtree(RUNS, ignore_errors=True)
    if not build.configure("lint", RUNS / "config.log", O, position, build.flavour("lockdep").files):
        die(1, f"the configuration is not what the fragments ask for: {RUNS}/config.log")
    tests = results.Checks()
    for name in names or TOOLS:
        log = RUNS / f"{name}.log"
        status, found = TOOLS[name](log, build.commits()[0][0])
        tests.check(name, [f"failed with status {status}: {log}", *build.errors(log)] * bool(status) + found)
    return tests.done()


if __name__ == "__main__":
    env.main(main)
