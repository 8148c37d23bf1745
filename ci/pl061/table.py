# SPDX-License-Identifier: GPL-2.0
"""What scripts/boot has run, as the table in README.md."""
from __future__ import annotations

import json
from pathlib import Path

import build
import env
import results
from env import LOGS

DRIVERS = {"rust": "Rust", "c": "C"}


def code() -> str:
    """The git tree that is run. A message that changes does not change it."""
    return build.commits()[build.tip()[0]][1]


def keep(path: Path, kind: str, driver: str, guests: dict) -> None:
    """The result of a run: for each guest, how many checks passed and failed, and what is to be said of it."""
    results.write_json(path, {"tree": code(), "kind": kind, "driver": driver, "guests": guests})


def cell(passed: int, failed: int, note: str = "") -> str:
    return f"{passed}{f', **{failed} failed**' if failed else ''}{f'; {note}' if note else ''}"


def table(runs: list[dict]) -> str:
    """A line for each guest, a column for each kernel and driver."""
    runs.sort(key=lambda run: (run["kind"] != "lockdep", run["kind"], run["driver"] == "c"))
    names = list(dict.fromkeys(name for run in runs for name in run["guests"]))
    lines = [["guest", *(f"{run['kind']}: {DRIVERS[run['driver']]}" for run in runs)],
             ["---", *["---:"] * len(runs)],
             *([name, *(cell(*run["guests"][name]) if name in run["guests"] else "" for run in runs)] for name in names)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def write() -> int:
    """Of the series as it is: what was run with another one does not count."""
    tree = code()
    runs = [run for path in sorted(LOGS.glob("boot/**/result.json"))
            if (run := json.loads(path.read_text())).get("tree") == tree]
    if not runs:
        env.die(2, "no result of scripts/boot with this series: run it first")
    results.in_readme("boot", table(runs))
    return 0
