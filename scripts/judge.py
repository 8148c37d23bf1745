#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Judge what scripts/kunit left behind.

Usage: scripts/judge.py one DIR       judge one patch, write DIR/result.json
       scripts/judge.py mutation DIR  say what caught a mutation; exit 1 if nothing did
       scripts/judge.py all [--json FILE] [--junit FILE] DIR...
                                      table of the results; exit 1 on a failure

DIR holds meta.json (written by scripts/kunit), build.log, console and the JSON
of kunit.py; beside it are copies of series and of ci/known-splats, which lists
what the base is known to complain about.
"""
import json
import os
import re
import sys
import xml.etree.ElementTree as ET

from console import scan

def read(path, default=""):
    try:
        with open(path, errors="replace") as f:
            return f.read()
    except FileNotFoundError:
        return default


def load(path):
    text = read(path)
    return json.loads(text) if text.strip() else {}


def write_lines(path, lines):
    with open(path, "w") as f:
        f.writelines(line + "\n" for line in sorted(lines))


def warnings(log):
    """Compiler, Clippy, modpost, dtc and linker warnings, without line numbers."""
    found, lines = set(), log.splitlines()
    for i, line in enumerate(lines):
        if re.match(r"warning(\[\w+\])?: ", line):
            where = next((l for l in lines[i:i + 4] if re.match(r"\s+--> ", l)), "")
            found.add(line + re.sub(r"\s+--> |:\d+", " ", where).rstrip())
        elif re.search(r"\bwarning: |\bWARNING: ", line, re.I):
            found.add(re.sub(r":\d+", "", line.strip()))
    return found


def slug(patch):
    return re.sub(r"^\d+-|\.patch$", "", patch)


def known_splats(flavour, position, folder):
    """Entries that must occur at this position of the series."""
    slugs = [slug(line.strip()) for line in read(f"{folder}/series").splitlines()
             if line.strip() and not line.startswith("#")]
    path = f"{folder}/known-splats"
    active = []
    for number, line in enumerate(read(path).splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [f.strip() for f in line.split(" | ")]
        if len(fields) != 5 or not fields[4]:
            sys.exit(f"judge.py: {path}:{number}: five fields are needed: "
                     "flavour | patch that mends it or - | test | pattern | reason")
        where, mended_by, test, pattern, _ = fields
        if mended_by != "-" and mended_by not in slugs:
            sys.exit(f"judge.py: {path}:{number}: no patch '{mended_by}' in series")
        if where != flavour:
            continue
        if mended_by == "-" or position <= slugs.index(mended_by):
            active.append((test, re.compile(pattern), line))
    return active


def passes(cases):
    return list(cases.values()).count("PASS")


def suites(kunit):
    """{suite: {case: status}} from the JSON of kunit.py."""
    return {group["name"]: {case["name"]: case["status"] for case in group.get("test_cases", [])}
            for group in kunit.get("sub_groups", [])}


def judge(folder):
    meta = load(f"{folder}/meta.json")
    gates = []          # [name, ok, text]

    def gate(name, problems):
        gates.append({"gate": name, "ok": not problems, "problems": problems})

    gate("config", [] if meta["config"] == 0 else ["configuration failed"] +
         read(f"{folder}/config.log").strip().splitlines()[-5:])
    if meta["config"] == 0:
        problems = [] if meta["build"] == 0 else ["build failed: " + f"{folder}/build.log"] + [
            line for line in read(f"{folder}/build.log").splitlines()
            if re.match(r"error|.*: (fatal )?error", line)][:5]
        gate("build", problems)
        seen = warnings(read(f"{folder}/build.log"))
        known = set(read(meta["base_warnings"]).splitlines())
        if meta["reference"] or meta["position"] == 0:
            known |= seen
            write_lines(meta["base_warnings"], known)
        gate("warnings", sorted(seen - known))
    result = {}
    if meta.get("run") is not None:
        report = load(f"{folder}/kunit.json")
        result = suites(report)
        bad = [f"{s}: {c}: {st}" for s, cases in result.items() for c, st in cases.items()
               if st not in ("PASS", "SKIP")]
        if meta["run"] != 0 and not bad:
            bad = [f"kunit.py failed: {folder}/kunit.log"]
        if not result:
            bad.append("no test ran")
        if report.get("misc", {}).get("errors"):
            bad.append(f"kunit.py could not make sense of the log: {folder}/kunit.log")
        gate("kunit", bad)
        before = load(f"{meta['previous']}/result.json").get("suites", {}) if meta["previous"] else {}
        problems = []
        for s, cases in before.items():
            was, now = passes(cases), passes(result.get(s, {}))
            if s not in result:
                problems.append(f"suite {s} has vanished")
            elif now < was:
                problems.append(f"suite {s}: {now} tests pass, {was} did at the patch before")
        gate("suites", problems)
        console = read(f"{folder}/console")
        splats = scan(console.splitlines())
        problems, active = [], known_splats(meta["flavour"], meta["position"], os.path.dirname(folder))
        if "KTAP version" not in console:
            problems.append(f"no KUnit on the console: {folder}/console")
        for splat in splats:
            if not any(splat.test == t and p.search(splat.title) for t, p, _ in active):
                problems.append(f"splat, {folder}/console {splat}")
        for test, pattern, line in active:
            if not any(s.test == test and pattern.search(s.title) for s in splats):
                problems.append(f"known splat no longer occurs, drop it from ci/known-splats: {line}")
        gate("splats", problems)
        meta["known_splats"] = len(active)
    meta.update(gates=gates, suites=result, ok=all(g["ok"] for g in gates))
    with open(f"{folder}/result.json.new", "w") as f:
        json.dump(meta, f, indent=1)
    os.rename(f"{folder}/result.json.new", f"{folder}/result.json")
    return meta


GATES = ["config", "build", "warnings", "kunit", "suites", "splats"]


def tests(result):
    statuses = [st for cases in result["suites"].values() for st in cases.values()]
    return statuses.count("PASS"), statuses.count("SKIP"), len(statuses)


def row(result):
    state = {g["gate"]: "ok" if g["ok"] else "FAIL" for g in result["gates"]}
    passed, skipped, _ = tests(result)
    if state.get("splats") == "ok" and result.get("known_splats"):
        state["splats"] = f"{result['known_splats']} known"
    return (f"{result['position']:>4}  " + "".join(f"{state.get(g, '-'):<9}" for g in GATES)
            + f"{passed:>5}{skipped:>5}  "
            + ("cached       " if result.get("cached") else
               f"{result['build_seconds']:>4}s {result['run_seconds']:>4}s  ")
            + result["subject"][:60])


HEAD = ("   #  " + "".join(f"{g:<9}" for g in GATES) + " pass skip  build   run  patch")


def junit(results, path):
    root = ET.Element("testsuites")
    for r in results:
        name = f"{r['flavour']} {r['position']:04d} {r['subject']}"
        suite = ET.SubElement(root, "testsuite", name=name)
        for g in r["gates"]:
            case = ET.SubElement(suite, "testcase", classname=name, name=g["gate"])
            if not g["ok"]:
                ET.SubElement(case, "failure", message=(g["problems"] or ["failed"])[0]).text = "\n".join(g["problems"])
        for s, cases in r["suites"].items():
            for c, status in cases.items():
                case = ET.SubElement(suite, "testcase", classname=s, name=c)
                if status == "SKIP":
                    ET.SubElement(case, "skipped")
                elif status != "PASS":
                    ET.SubElement(case, "failure", message=status)
        suite.set("tests", str(len(suite)))
        suite.set("failures", str(len(suite.findall("*/failure"))))
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def main(argv):
    if argv[:1] == ["one"] and len(argv) == 2:
        result = judge(argv[1])
        for g in result["gates"]:
            for problem in g["problems"]:
                print(f"  {g['gate']}: {problem}")
        return 0 if result["ok"] else 1
    if argv[:1] == ["mutation"] and len(argv) == 2:
        result = judge(argv[1])
        caught = [p for g in result["gates"] for p in g["problems"] if g["gate"] in ("kunit", "splats")]
        if result["build"] != 0:
            print(f"does not build: {argv[1]}/build.log")
        elif not caught:
            print("SURVIVED")
        for problem in caught:
            print(f"caught: {problem.replace(argv[1] + '/', '')}")
        return 0 if caught and result["build"] == 0 else 1
    if argv[:1] == ["all"]:
        outputs, folders, rest = {}, [], iter(argv[1:])
        for arg in rest:
            if arg in ("--json", "--junit"):
                outputs[arg] = next(rest)
            else:
                folders.append(arg)
        results = [load(f"{f}/result.json") for f in folders]
        print(HEAD)
        for r in results:
            print(row(r))
        judged = [r for r in results if not r["reference"]]
        # A reference that does not work shows nothing.
        judged += [r for r in results if r["reference"] and not r["ok"]]
        failed = [r for r in judged if not r["ok"]]
        summary = {"flavour": results[0]["flavour"], "passed": len(judged) - len(failed),
                   "failed": len(failed), "patches": results}
        if "--json" in outputs:
            with open(outputs["--json"], "w") as f:
                json.dump(summary, f, indent=1)
        if "--junit" in outputs:
            junit(judged, outputs["--junit"])
        print(f"{summary['passed']} passed, {summary['failed']} failed")
        return 1 if failed else 0
    print(__doc__.strip())
    return 0 if argv[:1] in (["-h"], ["--help"]) else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
