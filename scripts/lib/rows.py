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

import build
import env
import kunit
import page
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
                to.write(results.coloured(line.decode(errors="surrogateescape")).encode(errors="surrogateescape")
                         if results.TERMINAL else line)
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
    if not passed + failed + skipped or (status and not failed):
        # (an environment that is not fit is no finding, and not a pass either)
        problems.append({2: "usage or environment", 3: "a tool is missing"}.get(
            status, f"ended with status {status}") + ("" if counted else ", counted nothing"))
        failed += 1
    elif failed and not status:
        problems.append("ended with status 0")
    return {"part": row.name, "command": row.shown(), "exit": status, "unfit": unfit,
            "passed": passed, "failed": failed, "skipped": skipped,
            "seconds": int(seconds), "log": str(log), "problems": problems,
            "failures": failures(row, status, problems, log) if failed else []}


def failures(row: Row, status: int, problems: list[str], log: Path) -> list[dict]:
    """What the row itself has told, else what its log says."""
    told = kunit.load(log.with_suffix(".json")).get("failures", [])
    if told and status == 1:
        return told
    return [*told, vars(results.Failure(f"{row.name}: {'; '.join(problems)}", reason(log), str(log), f"{env.NAMED}scripts/test {row.name}"))]


def reason(log: Path) -> list[str]:
    """The lines of a log that say what went wrong."""
    lines = [line for line in env.read(log).splitlines() if line.strip()]
    bad = [line for line in lines if line.lstrip().startswith(("FAIL", "not ok"))]
    return (bad or [line for line in lines if not results.COUNTS.match(line)][-3:])[:10]


class Tests:
    def __init__(self, chosen: list[Row], out: Path, stop: bool, kept: list[dict], took: dict[str, int]) -> None:
        """`kept`: rows that passed, of a run that this one goes on with; `took`: seconds of rows in earlier runs."""
        self.chosen, self.out, self.stop, self.took = chosen, out, stop, took
        self.done = kept
        self.began = time.monotonic()

    def stopped(self) -> bool:
        return self.stop and any(d["failed"] for d in self.done)

    def left(self, row: Row) -> str:
        ahead = [self.took[r.name] for r in self.chosen[self.chosen.index(row):] if r.name in self.took and r.when != "beside"]
        return f"   ({env.elapsed(sum(ahead))} left)" if ahead else ""

    def run(self, row: Row) -> None:
        """Both streams come as they are."""
        print(f"=== {row.name}: {row.shown()}{self.left(row)}", flush=True)
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
        self.write()

    def write(self) -> dict:
        told = {"passed": sum(d["passed"] for d in self.done), "failed": sum(d["failed"] for d in self.done),
                "state": results.state(), "failures": [f for d in self.done for f in d["failures"]],
                "left": [row.name for row in self.chosen if row.name not in [d["part"] for d in self.done]], "parts": self.done}
        results.write_json(self.out / "summary.json", told)
        results.write_junit(self.out / "summary.xml", "scripts/test", [
            results.Case("rows", d["part"], "FAIL" if d["failed"] else "PASS" if d["passed"] else "SKIP", [results.Failure(**f) for f in d["failures"]],
                         d["seconds"]) for d in self.done], told["state"])
        runs = [run for d in self.done if "patches" in (run := kunit.load(self.out / f"{d['part']}.json"))]
        page.write(self.out, "scripts/test", told, runs, [
            [(d["part"], d["log"]), f"{d['passed']} passed", f"{d['failed']} failed", str(d["skipped"]), env.elapsed(d["seconds"]),
             d["command"]] for d in self.done])
        return told

    def table(self) -> int:
        print(f"{'row':14}{'passed':>8}{'failed':>8}{'skipped':>9}{'time':>9}")
        for d in self.done:
            print(f"{d['part']:14}{d['passed']:8}{d['failed']:8}{d['skipped']:9}{env.elapsed(d['seconds']):>9}")
        bad = [d for d in self.done if d["failed"]]
        told = self.write()
        for failure in told["failures"]:
            print(results.Failure(**failure).text())
        print(f"=== all: {env.elapsed(time.monotonic() - self.began)}; page: {self.out}/index.html")
        print(results.total(told["passed"], told["failed"]))
        if bad and all(d["unfit"] for d in bad):
            return min(d["exit"] for d in bad)
        return 1 if bad or not any(d["passed"] + d["skipped"] for d in self.done) else 0

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
            if row not in beside and not self.stopped():
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
        if argument not in ("--all", "--list", "--failed", "-x", *(row.name for row in known)):
            env.usage_error(f"no row '{argument}'; --list shows them")
    if "--list" in arguments:
        print(*(f"{row.name:14}{row.when:9}{row.shown()}" for row in known), sep="\n")
        return 0
    if bool(chosen) + ("--all" in arguments) + ("--failed" in arguments) > 1:
        env.usage_error("rows, --all or --failed")
    env.snapshot()
    before = kunit.load(LOGS / "test/summary.json")
    parts = before.get("parts", [])
    if "--failed" in arguments:
        chosen = [part["part"] for part in parts if part["failed"]] + before.get("left", [])
        if not chosen:
            env.say("test: no row failed in the last run, and none was left")
            return 0
    whens = ("default", "beside", "all") if "--all" in arguments else ("default", "beside")
    picked = [row for row in known if (row.name in chosen if chosen else row.when in whens)]
    env.prepared()
    env.lock()
    out = LOGS / f"test.{env.STATE}"
    # (What passed counts on, if it was the same that was tested.)
    same = [{key: value for key, value in state.items() if key not in ("series", "host", "date")}
            for state in (before.get("state"), results.state()) if isinstance(state, dict)]
    kept = [part for part in parts if not part["failed"]] if "--failed" in arguments and same[1:] == same[:1] else []
    if not kept:
        shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)
    Path(f"{build.WORK}.chain").unlink(missing_ok=True)
    link = LOGS / "test"
    link.unlink(missing_ok=True)
    link.symlink_to(out.name)
    return Tests(picked, out, "-x" in arguments, kept, {part["part"]: part["seconds"] for part in parts}).all(ahead)


if __name__ == "__main__":
    env.main(main)
