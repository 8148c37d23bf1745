# SPDX-License-Identifier: GPL-2.0
"""Do the tests notice what the mutations break? See ci/mutations/run."""
from __future__ import annotations

import fnmatch
import re
import shutil
import subprocess

import build
import env
import kunit
import results
from env import CACHE, LOGS, TOP, die

FOLDER = TOP / "ci/mutations"
RUNS = LOGS / "mutations"
# A mutation may well hang.
TIMEOUT = 180


def header(name: str, key: str, default: str = "") -> str:
    head = env.read(FOLDER / f"{name}.patch").partition("\ndiff --git ")[0]
    found = re.search(rf"^{key}: *(\S+)$", head, re.M)
    return found[1] if found else default


def verdict(run: kunit.Run, known, expect: str = "") -> tuple[bool, list[str]]:
    """(caught, lines for the report). Only a failing case or a splat catches a mutation."""
    judged = kunit.judge(run, {}, set(), known)
    problems = {g["gate"]: g["problems"] for g in judged["gates"]}
    if not run.built:
        return False, ["does not build:", *problems.get("build", problems["config"])]
    caught = [f"{suite}: {case}" for suite, cases in judged["suites"].items()
              for case, status in cases.items() if status == "FAIL"]
    caught += [p for p in problems["splats"] if p.startswith("splat, ")]
    if caught:
        return True, [f"caught: {c.replace(f'{run.folder}/', '')}" for c in caught]
    if run.hung:
        return expect == "hang", ["hung, as expected" if expect == "hang" else f"hung: {run.folder}/console"]
    if not judged["suites"] or problems["kunit"]:
        return False, [f"not run: {p}" for p in problems["kunit"]]
    return False, ["SURVIVED"]


class Mutations:
    def __init__(self) -> None:
        self.position, self.tip = build.tip()
        self.tests = results.Checks()
        self.pending: tuple[str, kunit.Run] | None = None
        self.suites: dict[tuple, list[str]] = {}    # of each flavour that was run, at each tip

    def settle(self) -> None:
        if not self.pending:
            return
        (name, run), self.pending = self.pending, None
        run.finish()
        known = kunit.known_splats(run.flavour.name, self.position)
        caught, text = verdict(run, known, header(name, "Expect"))
        self.tests.check(name, () if caught else text, text)

    def start(self, name: str, flavour: str, suites: str = "") -> kunit.Run:
        of = build.flavour(flavour)
        o = CACHE / "o" / ("mutate" if flavour == "lockdep" else f"mutate-{flavour}")
        build.objects_of(flavour, o)
        run = kunit.Run(f"mutations: {name}", RUNS / name, o, of, self.position,
                        (*of.files, FOLDER / "mutations.config"), TIMEOUT)
        run.build()
        self.settle()
        run.start(suites)
        return run

    def unchanged(self, flavour: str) -> None:
        """The tip itself has to pass, and tells which suites there are."""
        self.settle()
        build.work_at(self.tip)
        run = self.start(f"tip-{flavour}", flavour)
        run.finish()
        judged = kunit.judge(run, {}, set(), kunit.known_splats(flavour, self.position))
        wrong = [p for g in judged["gates"] if g["gate"] != "warnings" for p in g["problems"]]
        if wrong:
            env.say("\n".join(wrong))
            die(1, f"the tip itself does not pass in flavour {flavour}: {run.folder}")
        self.suites[flavour, self.tip] = list(judged["suites"])

    def mutate(self, name: str) -> None:
        flavour, suites = header(name, "Flavour", "lockdep"), f"*{name.partition('-')[0]}*"
        if header(name, "Needs"):
            self.position, self.tip = len(build.patches()), build.commits()[-1][0]
        if (flavour, self.tip) not in self.suites:
            self.unchanged(flavour)
        if not fnmatch.filter(self.suites[flavour, self.tip], suites):
            self.settle()
            self.tests.check(name, [f"not run: no suite of the tip is called {suites}"])
            return
        build.work_at(self.tip)
        done = subprocess.run(["git", "-C", build.WORK, "apply", FOLDER / f"{name}.patch"],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            self.settle()
            self.tests.check(name, ["does not apply:", *done.stderr.splitlines()])
            return
        self.pending = name, self.start(name, flavour, suites)


def main(names) -> int:
    known = sorted(path.stem for path in FOLDER.glob("*.patch"))
    for name in names:
        if name.startswith("-"):
            env.usage_error(f"unknown argument '{name}'")
        if name not in known:
            env.die(2, f"no mutation '{name}' in ci/mutations/")
    env.snapshot()
    build.need_tools("qemu-system-aarch64")
    env.lock()
    env.need_space(4000)
    shutil.rmtree(RUNS, ignore_errors=True)
    mutations = Mutations()
    # (Those of one tip and flavour together: each is a build of the whole kernel.)
    for name in sorted(names or known, key=lambda n: (header(n, "Needs"), header(n, "Flavour", "lockdep"), n)):
        mutations.mutate(name)
    mutations.settle()
    build.work_at(mutations.tip)
    return mutations.tests.done()


if __name__ == "__main__":
    env.main(main)
