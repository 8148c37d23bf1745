# SPDX-License-Identifier: GPL-2.0
"""KUnit of patches: build, run, judge. See scripts/kunit.

The folder of a run has the logs of configuration and build, kunit.log and
kunit.json of kunit.py, the console, and result.json with the verdict.
"""
from __future__ import annotations

import argparse
import contextlib
import fnmatch
import hashlib
import json
import os
import re
import shutil
import statistics
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import STDOUT, Popen, TimeoutExpired

import build
import env
import page
import results
from build import Flavour
from console import scan
from env import CACHE, LOGS, TOP, die, read

TIMEOUT = 900
KERNEL_ARGS = ("panic=-1", "watchdog_thresh=60", "rcupdate.rcu_cpu_stall_timeout=120")


# --- build and run -----------------------------------------------------------

@dataclass
class Run:
    """A kernel that is built in O=`o` and runs KUnit. On a busy host, a CPU of QEMU may stand
    still for a while, which is no lockup and no stall."""
    label: str
    folder: Path
    o: Path
    flavour: Flavour
    position: int
    files: tuple[Path, ...] = ()
    timeout: int = TIMEOUT
    # Whether it may be that no test has the names that are asked for.
    empty: bool = False
    # What is known afterwards.
    config: bool = False
    built: bool = False
    build_seconds: int = 0
    status: int | None = None
    run_seconds: int = 0
    expected: list[tuple[str, str]] = field(default_factory=list)
    waits: threading.Thread | None = None

    def build(self) -> None:
        """What is in the work tree. The folder gets logs and the kernel."""
        self.folder.mkdir(parents=True, exist_ok=True)
        files = self.files or self.flavour.files
        self.config = build.configure(self.label, self.folder / "config.log", self.o, self.position, files, self.flavour)
        if not self.config:
            return
        target, kernel, _, _ = build.ARCHES[self.flavour.arch]
        began = time.monotonic()
        self.built = build.compile(f"{self.label}: build", self.folder / "build.log", self.o, "CLIPPY=1", target,
                                   of=self.flavour) == 0
        self.build_seconds = round(time.monotonic() - began)
        self.expected = expected_suites(files, build.options(self.o / ".config"))
        if self.built:
            copy = self.folder / "kernel" / kernel
            copy.parent.mkdir(parents=True)
            shutil.copy(self.o / kernel, copy)      # (that of User Mode Linux is a program)

    def start(self, suites: str = "") -> None:
        """Run what was built, in the background: for most of its time it needs one CPU, and the
        next one can be built meanwhile."""
        if not self.built:
            return
        env.say(f"{self.label}: KUnit")
        _, _, qemu, arguments = build.ARCHES[self.flavour.arch]
        variables = os.environ | {"PATH": f"{wrapper(qemu)}:{os.environ['PATH']}"} if qemu else None
        with open(self.folder / "kunit.log", "wb") as log:
            process = env.start(
                [sys.executable, build.WORK / "tools/testing/kunit/kunit.py", "exec", "--arch", self.flavour.arch,
                 "--build_dir", self.folder / "kernel", "--timeout", self.timeout,
                 *([f"--qemu_args={arguments}"] if qemu else []), *(f"--kernel_args={a}" for a in KERNEL_ARGS),
                 f"--json={self.folder}/kunit.json", *([suites] if suites else [])],
                cwd=build.WORK, env=variables, stdout=log, stderr=STDOUT)
        # (It ends while the next one is built, and when is to be known.)
        self.status = -1
        self.waits = threading.Thread(target=self.wait, args=(process, time.monotonic()), daemon=True)
        self.waits.start()

    def wait(self, process: Popen, began: float) -> None:
        try:
            # (kunit.py ends QEMU, and then reads what there is)
            self.status = env.wait(process, self.timeout + 120)
        except TimeoutExpired:
            env.stop(process)
        self.run_seconds = round(time.monotonic() - began)

    def finish(self) -> None:
        """Wait for the run. The folder gets the console."""
        if self.waits:
            self.waits.join()
            self.waits = None
            console = self.folder / "kernel/test.log"
            if console.exists():
                console.replace(self.folder / "console")
            shutil.rmtree(self.folder / "kernel")
            if self.status:
                env.need_space(50)

    @property
    def hung(self) -> bool:
        return self.status == -1 or self.run_seconds >= self.timeout


def wrapper(qemu: str) -> Path:
    """A folder for PATH with a QEMU that ends with kunit.py, and takes no KVM: kunit.py prefers it on
    x86, not each machine has it, and a broken one hangs."""
    folder = CACHE / "wrap"
    folder.mkdir(exist_ok=True)
    name = f"qemu-system-{qemu}"
    path = shutil.which(name) or die(3, f"{name} is missing: run scripts/setup")
    env.write(folder / name, f"""#!/bin/sh
for a; do
	shift
	[ "$a" = kvm ] && a=tcg
	set -- "$@" "$a"
done
exec setpriv --pdeathsig KILL {path} "$@"
""")
    (folder / name).chmod(0o755)
    return folder


def expected_suites(files, config: dict[str, str]) -> list[tuple[str, str]]:
    """(glob of a suite, option that switches it on): what has to run with this .config."""
    found = []
    for path in files:
        suite = ""
        for line in read(path).splitlines():
            if line.startswith("# SUITE "):
                suite = line.split(" ", 2)[2]
            elif option := build.OPTION.match(line):
                if suite and config.get(option[1], "n") != "n":
                    found.append((suite, option[1]))
                suite = ""
    return found


# --- judge -------------------------------------------------------------------

# Gates, and where each has what it judges.
GATES = {"config": "config.log", "build": "build.log", "warnings": "build.log", "kunit": "kunit.log", "suites": "kunit.log",
         "splats": "console"}


def known_splats(flavour: str, position: int) -> list[tuple[str, re.Pattern, str]]:
    """Entries of ci/known-splats that must occur at this position of the series."""
    slugs = [re.sub(r"^\d+-|\.patch$", "", name) for name in build.patches()]
    active = []
    for number, line in enumerate(read(TOP / "ci/known-splats").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [f.strip() for f in line.split(" | ")]
        if len(fields) != 5 or not fields[4]:
            die(2, f"ci/known-splats:{number}: five fields are needed: "
                   "flavour | patch that mends it or - | test | pattern | reason")
        where, mended_by, test, pattern, _ = fields
        if mended_by != "-" and mended_by not in slugs:
            die(2, f"ci/known-splats:{number}: no patch '{mended_by}' in series")
        if where not in build.flavours():
            die(2, f"ci/known-splats:{number}: no flavour '{where}'; there are {' '.join(build.flavours())}")
        try:
            re.compile(pattern)
        except re.error as error:
            die(2, f"ci/known-splats:{number}: '{pattern}' is no regular expression: {error}")
        if where == flavour and (mended_by == "-" or position <= slugs.index(mended_by)):
            active.append((test, re.compile(pattern), line))
    return active


def suites_of(report: dict) -> dict[str, dict[str, str]]:
    """{suite: {case: status}} from the JSON of kunit.py. A case with parameters is a group of its own."""
    found: dict[str, dict[str, str]] = {}

    def add(cases, group, prefix):
        for case in group.get("test_cases", []):
            name, number = prefix + case["name"], 1
            while name in cases:
                number += 1
                name = f"{prefix}{case['name']} ({number})"
            cases[name] = case["status"]
        for inner in group.get("sub_groups", []):
            add(cases, inner, f"{prefix}{inner['name']}/")

    for suite in report.get("sub_groups", []):
        add(found.setdefault(suite["name"], {}), suite, "")
    return found


def load(path: Path) -> dict:
    with contextlib.suppress(ValueError):
        if isinstance(found := json.loads(read(path)), dict):
            return found
    return {}


def passes(cases: dict[str, str]) -> int:
    return list(cases.values()).count("PASS")


def compared(before: dict, now: dict, expected) -> list[str]:
    """Suites and passing cases that are gone, and suites that should be there."""
    problems = [f"suite {glob} does not run, with {option} on" for glob, option in expected
                if not any(passes(now[suite]) for suite in fnmatch.filter(now, glob))]
    for suite, cases in before.items():
        if suite not in now:
            problems.append(f"suite {suite} has vanished")
        elif passes(now[suite]) < passes(cases):
            problems.append(f"suite {suite}: {passes(now[suite])} tests pass, {passes(cases)} did at the patch before")
    return problems


def judge(run: Run, before: dict, known_warnings: set[str], known) -> dict:
    """The gates of a run. `before`: the suites of the patch before."""
    folder, gates = run.folder, []

    def gate(name, problems):
        gates.append({"gate": name, "ok": not problems, "problems": problems})

    gate("config", [] if run.config else [f"configuration failed: {folder}/config.log",
                                          *read(folder / "config.log").strip().splitlines()[-5:]])
    now: dict = {}
    if run.config:
        log = read(folder / "build.log")
        gate("build", [] if run.built else [f"build failed: {folder}/build.log",
                                            *build.errors(folder / "build.log")])
        gate("warnings", sorted(build.warnings(log) - known_warnings))
    if run.status is not None:
        report = load(folder / "kunit.json")
        now = suites_of(report)
        bad = [f"{suite}: {case}: {status}" for suite, cases in now.items()
               for case, status in cases.items() if status not in ("PASS", "SKIP")]
        if run.hung:
            bad.append(f"no end within {run.timeout} s: {folder}/console")
        elif run.status and not bad:
            bad.append(f"kunit.py failed with status {run.status}: {folder}/kunit.log")
        if not any(map(passes, now.values())) and not run.empty:
            bad.append(f"no test {'passed' if now else 'ran'}: {folder}/kunit.log")
        if report.get("misc", {}).get("errors"):
            bad.append(f"kunit.py could not make sense of the log: {folder}/kunit.log")
        gate("kunit", bad)
        gate("suites", compared(before, now, run.expected))
        console = read(folder / "console")
        splats, problems = scan(console.splitlines()), []
        if "KTAP version" not in console:
            problems.append(f"no KUnit on the console: {folder}/console")
        problems += [f"splat, {folder}/console {splat}" for splat in splats
                     if not any(splat.test == test and pattern.search(splat.title) for test, pattern, _ in known)]
        problems += [f"known splat no longer occurs, drop it from ci/known-splats: {line}"
                     for test, pattern, line in known
                     if not any(s.test == test and pattern.search(s.title) for s in splats)]
        gate("splats", problems)
    return {"ok": all(g["ok"] for g in gates), "gates": gates, "suites": now, "known_splats": len(known),
            "build_seconds": run.build_seconds, "run_seconds": run.run_seconds}


# --- report ------------------------------------------------------------------

HEAD = "   #  " + "".join(f"{g:<9}" for g in GATES) + " pass skip  build   run  patch"


def row(result: dict) -> str:
    state = {g["gate"]: "ok" if g["ok"] else "FAIL" for g in result["gates"]}
    if state.get("splats") == "ok" and result["known_splats"]:
        state["splats"] = f"{result['known_splats']} known"
    seen = [status for names in result["suites"].values() for status in names.values()]
    times = ("cached       " if result["cached"] else
             f"{result['build_seconds']:>4}s {result['run_seconds']:>4}s  ")
    return results.coloured(f"{result['position']:>4}  " + "".join(f"{state.get(g, '-'):<9}" for g in GATES)
                            + f"{seen.count('PASS'):>5}{seen.count('SKIP'):>5}  {times}{result['subject'][:60]}")


def failures(result: dict, gates=tuple(GATES)) -> list[results.Failure]:
    who = f"kunit {result['flavour']}, patch {result['position']}, {result['patch'] or 'the base'}"
    return [results.Failure(f"{who}, gate {g['gate']}", g["problems"], g["log"], result["again"])
            for g in result["gates"] if g["gate"] in gates and not g["ok"]]


def cases(result: dict) -> list[results.Case]:
    where = f"{result['flavour']}.{result['position']:04d}"
    found = [results.Case(f"{where}.gates", g["gate"], "PASS" if g["ok"] else "FAIL", failures(result, [g["gate"]]))
             for g in result["gates"]]
    found += [results.Case(f"{where}.{suite}", case, status)
              for suite, names in result["suites"].items() for case, status in names.items()]
    return found


# --- scripts/kunit -----------------------------------------------------------

def positions(text: str, total: int) -> tuple[int, int]:
    """First and last patch of N, A..B, A.., tip, or a topic; without any, from the first one to the tip."""
    if text in ("", "tip"):
        tip, _ = build.tip()
        return tip if text else 1, tip
    if text in env.glue("series_topics"):
        patches = build.patches()
        numbers = [patches.index(name) + 1 for name in env.glue("series_patches", text)]
        if not numbers:
            die(2, f"topic {text} of series has no patch")
        return numbers[0], numbers[-1]
    found = re.fullmatch(r"(\d+)(?:(\.\.)(\d*))?", text)
    if not found:
        env.usage_error(f"'{text}' is not a patch number, A..B, A.., tip or a topic")
    first = int(found[1])
    last = first if not found[2] else int(found[3]) if found[3] else total
    if not first <= last <= total:
        env.usage_error(f"'{text}': the series has patches 1 to {total}")
    return first, last


def context(flavour: Flavour) -> str:
    """What a verdict depends on, but for the tree and the patches around it."""
    parts = [read(path) for path in flavour.files]
    parts += [(TOP / f"scripts/lib/{name}.py").read_text() for name in ("build", "console", "env", "kunit")]
    parts += [read(TOP / "ci/known-splats"), build.qemu_version(flavour.arch), *build.surroundings(flavour)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:40]


UNFINISHED = results.Case("kunit", "finished", "FAIL")


class Series:
    """The patches from `reference` on, one after the other; one is built while the one before it runs."""

    def __init__(self, options, flavour: Flavour, first: int, last: int) -> None:
        self.flavour, self.first, self.last, self.options = flavour, first, last, options
        self.reference = max(first - 1, 0)
        self.commits = build.commits()
        # (Another message for the same tree changes no verdict.)
        self.trees = [tree for _, tree, _ in self.commits]
        self.patches = build.patches()
        self.o = CACHE / "o" / flavour.name
        # (What is set apart leaves the results of the others.)
        self.runs = LOGS / "kunit" / (flavour.name if first <= build.tip()[0] else f"{flavour.name}-apart")
        self.last_run = load(self.runs / "summary.json").get("patches", [])
        self.runs.mkdir(parents=True, exist_ok=True)
        for name in page.FILES:
            (self.runs / name).unlink(missing_ok=True)
        build.objects_of(flavour.like, self.o)
        self.o.mkdir(parents=True, exist_ok=True)
        self.context = context(flavour) + options.filter
        # What the reference warned of in this O= folder; an incremental build repeats only some of it.
        self.warnings = self.o / f"warnings.{self.trees[self.reference]}"
        self.results: list[dict] = []
        self.state = results.state(flavour)
        self.previous: dict = {}
        self.pending: Run | None = None
        self.since = time.monotonic()

    def stored(self, position: int) -> Path:
        later = build.later_symbols(position)
        before = json.dumps(self.previous, sort_keys=True) + str(sorted(later)) + read(self.warnings)
        before += "".join(line for _, _, line in known_splats(self.flavour.name, position))
        key = hashlib.sha256((self.context + before).encode()).hexdigest()[:16]
        return CACHE / "results" / f"{self.trees[position]}-{key}"

    def patch(self, position: int) -> str:
        return self.patches[position - 1] if position else ""

    def settle(self) -> None:
        """Wait for the run that is under way, and judge it."""
        run, self.pending = self.pending, None
        if not run:
            return
        run.finish()
        seen = build.warnings(read(run.folder / "build.log"))
        known = set(read(self.warnings).splitlines())
        if run.position in (0, self.reference):
            known |= seen
            env.write(self.warnings, "".join(f"{line}\n" for line in sorted(known)))
        judged = judge(run, self.previous, known, known_splats(self.flavour.name, run.position))
        results.write_json(run.folder / "result.json", judged)
        if judged["ok"]:
            store = self.stored(run.position)
            new = store.with_name(f"{store.name}.new")
            shutil.rmtree(new, ignore_errors=True)
            shutil.rmtree(store, ignore_errors=True)
            shutil.copytree(run.folder, new)
            new.replace(store)
        else:
            env.say("\n".join([f"patch {run.position}, {self.patch(run.position) or 'the base'}:", *(
                f"  {g['gate']}: {results.clean(problem)}" for g in judged["gates"] for problem in g["problems"])]))
        self.add(run.position, judged, run.folder, False)

    def add(self, position: int, judged: dict, folder: Path, cached: bool) -> None:
        # (A run without any test has nothing to compare with.)
        self.previous = judged["suites"] or self.previous
        commit, _, subject = self.commits[position]
        again = f"{env.NAMED}scripts/kunit --flavour {self.flavour.name} --fresh {position}"
        for gate in judged["gates"]:
            gate["log"] = f"{folder}/{GATES[gate['gate']]}"
        began, self.since = self.since, time.monotonic()
        self.results.append({"position": position, "flavour": self.flavour.name, "commit": commit,
                             "patch": self.patch(position), "subject": subject, "folder": str(folder),
                             "reference": position < self.first, "cached": cached, "seconds": round(self.since - began),
                             "again": again + (f" --filter '{self.options.filter}'" if self.options.filter else ""), **judged})
        # (So an end before the end loses little.)
        self.write()

    def from_cache(self, position: int) -> bool:
        """A patch that passed before in all the same circumstances. The last one is always run."""
        if position == self.last or self.options.fresh or (position == self.reference and not self.warnings.exists()):
            return False
        # (What it is compared with comes first.)
        if self.pending and not any((CACHE / "results").glob(f"{self.trees[position]}-*")):
            return False
        self.settle()
        store = self.stored(position)
        judged = load(store / "result.json")
        if not judged:
            return False
        folder = self.runs / f"{position:04d}"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(store, folder)
        os.utime(store)
        self.add(position, judged, folder, True)
        return True

    def left(self, position: int) -> str:
        """A guess, by what one of them took in this run, but for its first build, and in the last one."""
        took = [r["seconds"] for r in [*self.last_run, *self.results[1:]] if not r["cached"]]
        builds = sum(1 for at in range(position, self.last + 1) if at == self.last or self.options.fresh
                     or not any((CACHE / "results").glob(f"{self.trees[at]}-*")))
        return f" ({env.elapsed(statistics.median(took) * builds)} left)" if took else ""

    def start(self, position: int) -> None:
        build.work_at(self.commits[position][0])
        left = "" if self.options.bisect else self.left(position)
        run = Run(f"{self.flavour.name} {position} of {len(self.patches)}{left}", self.runs / f"{position:04d}",
                  self.o, self.flavour, position)
        # (Logs of other patches stay, for pages that have links to them.)
        shutil.rmtree(run.folder, ignore_errors=True)
        run.build()
        if self.options.filter:
            run.expected, run.empty = [], position != self.last
        self.settle()
        if not self.stopped():
            self.pending = run
            run.start(self.options.filter)

    def stopped(self) -> bool:
        return self.options.x and any(not r["ok"] for r in self.results)

    def all(self) -> int:
        for position in range(self.first or 1, self.last + 1):
            if self.trees[position] == self.trees[position - 1]:
                env.say(f"notice: {self.patch(position)} is in its base already")
        for position in range(self.reference, self.last + 1):
            if not self.stopped() and not self.from_cache(position):
                self.start(position)
        self.settle()
        return self.print()

    def fails(self, position: int) -> bool:
        """By itself, with no other patch to compare its suites with."""
        self.previous = {}
        if not self.from_cache(position):
            self.start(position)
            self.settle()
        return not self.results[-1]["ok"]

    def bisect(self) -> int:
        """The first patch that fails, between one that does not and the last one."""
        good, bad = self.reference, self.last
        if self.fails(good) or not self.fails(bad):
            return self.print(f"nothing to look for: patch {good} fails" if bad != self.results[-1]["position"]
                              else f"nothing to look for: patch {bad} passes")
        while bad - good > 1:
            middle = (good + bad) // 2
            good, bad = (good, middle) if self.fails(middle) else (middle, bad)
        self.results.sort(key=lambda r: r["position"])
        return self.print(f"the first patch that fails is {bad}, {self.patch(bad)}")

    def write(self, last: bool = False) -> tuple[int, list[dict]]:
        """The reports. How many passed, and what failed."""
        # (A reference that works is no patch that was asked for; one that does not work shows nothing.)
        judged = [r for r in self.results if not (r["reference"] and r["ok"])]
        failed = [r for r in judged if not r["ok"]]
        passed = len(judged) - len(failed)
        told = {"flavour": self.flavour.name, "finished": last, "passed": passed, "failed": len(failed), "state": self.state,
                "failures": [vars(f) for r in failed for f in failures(r)], "patches": self.results}
        for path in (self.runs / "summary.json", self.options.json):
            if path and (last or not env.special(path)):
                results.write_json(path, told)
        if self.options.junit and (last or not env.special(self.options.junit)):
            found = [c for r in judged for c in cases(r)]
            if not last:
                found.append(UNFINISHED)
            results.write_junit(self.options.junit, f"kunit {self.flavour.name}", found, self.state)
        if last:
            page.write(self.runs, "scripts/kunit", told, [told])
        return passed, failed

    def print(self, note: str = "") -> int:
        print(HEAD)
        for result in self.results:
            print(row(result))
        passed, failed = self.write(last=True)
        for result in failed:
            print(*(f.text() for f in failures(result)), sep="\n")
        print(f"{note}\n" * bool(note) + f"page: {self.runs}/index.html")
        print(results.total(passed, len(failed)))
        return 1 if failed or not self.results else 0


def main(arguments) -> int:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.error = lambda message: env.usage_error(message)
    parser.add_argument("--flavour", default="lockdep")
    for name in ("--fresh", "--failed", "--bisect", "-x"):
        parser.add_argument(name, action="store_true")
    for name in ("--filter", "--json", "--junit"):
        parser.add_argument(name, default="")
    parser.add_argument("range", nargs="?", default="")
    options = parser.parse_args(arguments)
    if options.flavour not in build.flavours():
        die(2, f"no flavour '{options.flavour}'; there are {' '.join(build.flavours())}")
    flavour = build.flavour(options.flavour)
    if options.bisect and options.x:
        env.usage_error("--bisect goes on after a failure")
    if options.failed:
        # (By name: the numbers may be others now.)
        names = ["", *(name.partition("-")[2] for name in build.patches())]
        runs = [load(LOGS / f"kunit/{flavour.name}{part}/summary.json") for part in ("", "-apart")]
        verdicts = {patch["patch"].partition("-")[2]: patch["ok"] for run in sorted(filter(None, runs), key=lambda run: run["state"]["date"])
                    for patch in run["patches"] if not patch["reference"]}
        bad = sorted(names.index(name) for name, ok in verdicts.items() if not ok and name in names)
        if options.range or options.bisect:
            env.usage_error("--failed says itself which patches")
        if not bad and not all(run.get("finished") for run in filter(None, runs)) or not any(runs):
            die(2, f"the last run of flavour {flavour.name} did not finish: name the patches to run")
        if not bad:
            env.say(f"kunit: no patch failed in the last run of flavour {flavour.name}")
            return 0
        first, last = bad[0], bad[-1]
    else:
        first, last = positions(options.range, len(build.patches()))
    env.snapshot()
    for path in filter(None, (options.json, options.junit)):
        env.need_writable(path)
    # (Until there is more to report, so that nobody takes an older one for that of this run.)
    if options.json and not env.special(options.json):
        results.write_json(options.json, {"finished": False, "passed": 0, "failed": 0, "failures": [], "patches": []})
    if options.junit and not env.special(options.junit):
        results.write_junit(options.junit, f"kunit {flavour.name}", [UNFINISHED], {})
    known_splats(flavour.name, 0)
    qemu = build.ARCHES[flavour.arch][2]
    build.need_tools(*([f"qemu-system-{qemu}"] if qemu else []), of=flavour)
    env.lock()
    env.need_space(4000)
    (CACHE / "results").mkdir(exist_ok=True)
    series = Series(options, flavour, first, last)
    return series.bisect() if options.bisect else series.all()


if __name__ == "__main__":
    env.main(main)
