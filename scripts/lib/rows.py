# SPDX-License-Identifier: GPL-2.0
"""Run the rows of ci/rows. See scripts/test."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import env
import results
from env import LOGS, TOP, die


WHENS = ("default", "all", "named", "beside", "ahead")


@dataclass
class Row:
    name: str
    when: str
    command: str

    def words(self, out: Path) -> list[str]:
        first, *rest = self.command.split()
        return [str(TOP / first), *(word.replace("@", str(out / self.name)) for word in rest)]

    def shown(self) -> str:
        """What a person types for it."""
        return " ".join(word for word in self.command.split() if "@" not in word and word not in ("--json", "--junit"))


def rows() -> list[Row]:
    found = []
    for number, line in enumerate(env.read(TOP / "ci/rows").splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            words = line.split(None, 2)
            if len(words) < 3 or words[1] not in WHENS:
                die(2, f"ci/rows:{number}: NAME, one of {', '.join(WHENS)}, and COMMAND are needed: {line}")
            found.append(Row(*words))
    return found


class Output:
    """A row at work, both of its streams in its log, line by line."""

    def __init__(self, command: list[str], log: Path, environ, shown: bool) -> None:
        self.log, self.last, self.began = log, b"", time.monotonic()
        self.file = open(log, "wb", 0)
        self.process = env.start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ)
        self.threads = [threading.Thread(target=self.aside, daemon=True, args=(
            self.process.stderr, sys.stderr.buffer if shown else None))]
        if not shown:
            self.threads.append(threading.Thread(target=self.aside, daemon=True, args=(self.process.stdout, None)))
        for thread in self.threads:
            thread.start()
        if shown:
            self.copy(self.process.stdout, sys.stdout.buffer)

    def copy(self, stream, to) -> None:
        for line in stream:
            self.file.write(line)
            if stream is self.process.stdout and line.strip():
                self.last = line
            if to:
                to.write(line)
                to.flush()

    def aside(self, stream, to) -> None:
        try:
            self.copy(stream, to)
        except OSError:
            # (a full disk, a closed terminal; the row itself goes on)
            for _ in stream:
                pass

    def end(self, row: Row) -> dict:
        status = env.wait(self.process)
        for thread in self.threads:
            thread.join(5)      # (what it left behind may hold them open)
        return judged(row, status, self.last.decode(errors="replace"), time.monotonic() - self.began, self.log)


def judged(row: Row, status: int, last: str, seconds: float, log: Path) -> dict:
    """What machines are told of a row. Its last line counts what passed and failed."""
    counted = results.counts(last)
    passed, failed, skipped = counted or (0, 0, 0)
    # (the environment, not the series)
    unfit = status in (2, 3) and not passed + failed
    problems = []
    if failed:
        problems.append(f"{failed} failed")
    if not passed + failed or (status and not failed):
        # (an environment that is not fit is no finding, and not a pass either)
        problems.append({2: "usage or environment", 3: "a tool is missing"}.get(
            status, f"ended with status {status}") + ("" if counted else ", counted nothing"))
        failed += 1
    elif failed and not status:
        problems.append("ended with status 0")
    return {"part": row.name, "command": row.shown(), "exit": status, "unfit": unfit,
            "passed": passed, "failed": failed, "skipped": skipped,
            "seconds": int(seconds), "log": str(log), "problems": problems,
            **({"reason": reason(log), "again": f"scripts/test {row.name}"} if failed else {})}


def reason(log: Path) -> list[str]:
    """The lines of a log that say what went wrong."""
    lines = [line for line in env.read(log).splitlines() if line.strip()]
    bad = [line for line in lines if line.lstrip().startswith(("FAIL", "not ok"))]
    return (bad or [line for line in lines if not results.COUNTS.match(line)][-3:])[:10]


class Tests:
    def __init__(self, chosen: list[Row], out: Path) -> None:
        self.chosen, self.out = chosen, out
        self.done: list[dict] = []
        self.began, self.passed, self.failed = time.monotonic(), 0, 0

    def run(self, row: Row) -> None:
        """Both streams come as they are."""
        print(f"=== {row.name}: {row.shown()}", flush=True)
        self.add(Output(row.words(self.out), self.out / f"{row.name}.log", os.environ, True).end(row))

    def beside(self, row: Row) -> Output:
        # (waits for nobody, and nobody waits for it)
        without = {k: v for k, v in os.environ.items() if k != "SERIES_LOCKED"}
        return Output(row.words(self.out), self.out / f"{row.name}.log", without, False)

    def join(self, row: Row, output: Output) -> None:
        done = output.end(row)
        print(f"=== {row.name}: {row.shown()}")
        print(results.clean(env.read(done["log"])), end="", flush=True)
        self.add(done)

    def add(self, done: dict) -> None:
        """After each row, so that an end before the end loses nothing."""
        print(f"--- {done['part']}: {env.elapsed(done['seconds'])}", flush=True)
        self.done.append(done)
        self.passed += done["passed"]
        self.failed += done["failed"]
        results.write_json(self.out / "summary.json", {
            "passed": self.passed, "failed": self.failed, "state": env.STATE, "parts": self.done})
        results.write_junit(self.out / "summary.xml", "scripts/test", [
            results.Case("rows", d["part"], "FAIL" if d["failed"] else "PASS", d["problems"] + d.get("reason", []),
                         d["seconds"]) for d in self.done])

    def table(self) -> int:
        print(f"{'row':14}{'passed':>8}{'failed':>8}{'skipped':>9}{'time':>9}")
        for d in self.done:
            print(f"{d['part']:14}{d['passed']:8}{d['failed']:8}{d['skipped']:9}{env.elapsed(d['seconds']):>9}")
        bad = [d for d in self.done if d["failed"]]
        for d in bad:
            print(f"{d['part']}: {'; '.join(d['problems'])}")
            for line in d["reason"]:
                print(f"  {results.clean(line)}")
            print(f"  log: {d['log']}")
            print(f"  again: {d['again']}   ({d['command']})")
        print(f"=== all: {env.elapsed(time.monotonic() - self.began)}; {self.out}/summary.json")
        print(results.total(self.passed, self.failed))
        if bad and all(d["unfit"] for d in bad):
            return min(d["exit"] for d in bad)
        return 1 if bad or not self.passed else 0

    def all(self, ahead: list[Row]) -> int:
        beside = [row for row in self.chosen if row.when == "beside"]
        # The longest build gets what the rows before it leave of the CPUs.
        for row in ahead:
            if row.name in [r.name for r in self.chosen[1:]]:
                with open(self.out / f"{row.name}.ahead", "wb") as file:
                    env.start(["nice", "-n", "19", *row.words(self.out)], stdout=file, stderr=subprocess.STDOUT,
                              env=os.environ)
        others = [(row, self.beside(row)) for row in beside]
        for row in self.chosen:
            if row not in beside:
                self.run(row)
        for row, output in others:
            self.join(row, output)
        return self.table()


def main(arguments) -> int:
    found = rows()
    ahead = [row for row in found if row.when == "ahead"]
    known = [row for row in found if row.when != "ahead"]
    chosen = [argument for argument in arguments if not argument.startswith("-")]
    for argument in arguments:
        if argument not in ("--all", "--list", *(row.name for row in known)):
            env.usage_error(f"no row '{argument}'; --list shows them")
    if "--list" in arguments:
        print(*(f"{row.name:14}{row.when:9}{row.shown()}" for row in known), sep="\n")
        return 0
    if "--all" in arguments and chosen:
        env.usage_error("rows, or --all")
    whens = ("default", "beside", "all") if "--all" in arguments else ("default", "beside")
    picked = [row for row in known if (row.name in chosen if chosen else row.when in whens)]
    env.snapshot()
    env.prepared()
    env.lock()
    out = LOGS / f"test.{env.STATE}"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    link = LOGS / "test"
    link.unlink(missing_ok=True)
    link.symlink_to(out.name)
    return Tests(picked, out).all(ahead)


if __name__ == "__main__":
    env.main(main)
