# SPDX-License-Identifier: GPL-2.0
"""Usage: ci/bots/validate.py TOP [KERNELCI]

Whether the definitions for bots in TOP/ci/bots are what their tools take. (That they
have the options of TOP/kconfig-fragments, scripts/check tells.) One line for each fault;
exit 1 if there is one. KernelCI has no package with its checks: what its reference of
the configuration demands is checked here; and with a clone of kernelci-pipeline, by its
own tests/validate_yaml.py, together with its own configuration.
"""
import contextlib
import io
import sys
import tempfile

import yaml
from tuxlava.jobs import Job
from tuxmake.build import Build
from tuxsuite.config import PlanConfig

top = sys.argv[1]
faults = []


def check(good, what):
    if not good:
        faults.append(what)


def kernelci(path):
    with open(path) as f:
        config = yaml.safe_load(f)
    fragments, jobs = config["fragments"], config["jobs"]
    for name, entry in fragments.items():
        check(entry["configs"], f"{path}: fragment {name} is empty")
        check(entry["path"] == f"kernel/configs/{name}.config", f"{path}: path of fragment {name}")
    for name, entry in config["build_configs"].items():
        check(entry["tree"] in config["trees"], f"{path}: {name}: no tree {entry['tree']}")
    for name, job in jobs.items():
        check({"template", "kind"} <= set(job), f"{path}: {name}: no template or kind")
        check(job["kind"] in ("kbuild", "job", "process", "test"), f"{path}: {name}: kind {job['kind']}")
        check(job["kind"] == "kbuild" or "kcidb_test_suite" in job, f"{path}: {name}: no kcidb_test_suite")
        for tree in job["rules"]["tree"]:
            check(tree in config["trees"], f"{path}: {name}: no tree {tree}")
        if job["kind"] == "kbuild":
            check({"arch", "compiler", "defconfig"} <= set(job.get("params", {})), f"{path}: {name}: params")
            for f in job["params"]["fragments"]:
                check(f in fragments, f"{path}: {name}: no fragment {f}")
        # (Without, a lab refuses the job.)
        check(job["template"] != "baseline.jinja2" or "rootfs_ref" in (job.get("params") or {}), f"{path}: {name}: no rootfs_ref")
    for entry in config["scheduler"]:
        check(entry["job"] in jobs, f"{path}: scheduler: no job {entry['job']}")
        check({"event", "runtime"} <= set(entry), f"{path}: {entry['job']}: no event or runtime")
        event = entry["event"]
        check(event["kind"] != "kbuild" or event["name"] in jobs, f"{path}: no job {event.get('name')} to wait for")
    check({entry["job"] for entry in config["scheduler"]} == set(jobs), f"{path}: a job is not scheduled")
    if len(sys.argv) > 2:
        sys.path.insert(0, f"{sys.argv[2]}/tests")
        import validate_yaml
        with contextlib.redirect_stdout(io.StringIO()):
            merged = validate_yaml.merge_files(f"{sys.argv[2]}/config")
            validate_yaml.validate_yaml(validate_yaml.recursive_merge(merged, config))


def lkp(path):
    with open(path) as f:
        entry = yaml.safe_load(f)
    check({"url", "owner"} <= set(entry), f"{path}: no url or owner")
    known = {"url", "owner", "branch_allowlist", "branch_denylist", "notify_build_success_branch", "mail_to"}
    check(set(entry) <= known, f"{path}: unknown {set(entry) - known}")


def tuxsuite(path):
    plan = PlanConfig(None, None, path)
    check(not plan.schema_warning, f"{path}: {plan.schema_warning}")
    for row in plan.plan:
        build = row["build"]
        options = build["kconfig"][1:]
        check(options, f"{path}: a job without options")
        with tempfile.TemporaryDirectory() as tree:
            # (raises for what it does not know)
            Build(tree=tree, output_dir=f"{tree}/out", target_arch=build["target_arch"],
                  toolchain=build["toolchain"], kconfig=build["kconfig"][0], kconfig_add=options,
                  make_variables=build["make_variables"], targets=build["targets"], runtime="null")
        for test in row["tests"]:
            command = test.get("commands", [])
            job = Job(device=test["device"], kernel="https://example.org/Image",
                      tests=test.get("tests", []), commands=command)
            job.initialize()
            # (a command that needs a shell is not even YAML)
            actions = yaml.safe_load(job.render())["actions"]
            steps = [d["repository"]["run"]["steps"] for a in actions if "test" in a
                     for d in a["test"]["definitions"] if d.get("from") == "inline"]
            words = [step.split(" --shell ")[-1].split() for run in steps for step in run]
            check(words == [command] * bool(command), f"{path}: {command} runs {steps}")


for check_file, path in ((kernelci, "kernelci.yaml"), (tuxsuite, "tuxsuite.yaml"), (lkp, "lkp")):
    try:
        check_file(f"{top}/ci/bots/{path}")
    except Exception as e:  # a parser's word on it is a fault, too
        faults.append(f"{top}/ci/bots/{path}: {type(e).__name__}: {e}")
print("\n".join(faults) or "definitions: no fault")
sys.exit(1 if faults else 0)
