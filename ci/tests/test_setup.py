# SPDX-License-Identifier: GPL-2.0
"""scripts/setup, with an apt that writes down what it is asked, and the tools that others ask for."""
import os

import pytest
from conftest import program, sums


@pytest.fixture
def apt(toy):
    """Packages that are not there, and an archive that does not have them."""
    bin_ = toy.root / "bin"
    log = toy.root / "asked"
    log.touch()
    for name in ("apt-get", "apt", "sudo", "curl", "wget", "pip"):
        program(bin_ / name, f'echo "{name} $*" >>{log}; [ "$*" != -v ] || exit 0; echo E: no such version >&2; exit 100')
    program(bin_ / "dpkg-query", "exit 1")
    toy.env["PATH"] = f"{bin_}:{toy.env['PATH']}"
    return log


def test_print_changes_nothing(toy, apt):
    before = sums(toy.cache, toy.repo)
    toy.expect(0, "", "scripts/setup --print")
    toy.expect(3, "", "scripts/setup --check")
    asked = apt.read_text()
    assert " install" not in asked and " update" not in asked and before == sums(toy.cache, toy.repo)


def test_missing_tools_are_named(toy):
    toy.sh(toy.cache, "rm -f bin venv tools")
    toy.expect(0, "bindgen", "scripts/setup --print")
    toy.expect(3, ["nosuchbindgen", "run scripts/setup"], "scripts/kunit", BINDGEN="/nonexistent/nosuchbindgen", LLVM="1")
    toy.expect(3, "rustfmt is missing", "scripts/check", RUSTFMT="/nonexistent/rustfmt", RUSTC="/nonexistent/rustc")


def test_apt_waits_for_its_lock(toy, apt):
    """B25."""
    toy.expect(2, "apt", "scripts/setup")
    asked = [line for line in apt.read_text().splitlines() if line.startswith("apt-get")]
    assert asked and all("DPkg::Lock::Timeout=" in line for line in asked if " install " in line or " update" in line), asked


def test_prompt_of_sudo(toy, apt):
    """B24: it is asked for before anything is written over it."""
    program(toy.root / "bin/id", "echo 1000")
    toy.expect(2, "", "scripts/setup")
    assert apt.read_text().splitlines()[0] == "sudo -v"


def test_kernel_that_debian_no_longer_has(toy, apt):
    """B26: a message names file, hash, and where people get it."""
    toy.need("venv/bin/b4", "guest-arm64", "rust-min")
    program(toy.root / "bin/dpkg-query", "echo installed")
    conf = (toy.repo / "ci/series.conf").read_text() if (toy.repo / "ci/series.conf").exists() else ""
    wanted = [line.split("'")[1] for line in conf.splitlines() if line.startswith(("KERNEL_SHA256=", "KERNEL_UPSTREAM="))]
    toy.expect(2, [f"{toy.cache}/download", *wanted], "scripts/setup", KDIR=None)
    assert not (toy.cache / "linux.git").exists()


def test_clean(toy):
    """B28: what is old goes, and nothing else."""
    toy.expect(0, "2 passed, 0 failed", "scripts/kunit 1..2")
    old = [toy.cache / "results/old", toy.cache / "state/old", toy.cache / "tree.old.1", toy.cache / "kdir-0.git"]
    for folder in old:
        folder.mkdir(parents=True)
        (folder / "file").touch()
        for path in (folder / "file", folder):
            os.utime(path, (0, 0))
    toy.sh(toy.cache, "rm -r kdir-0.git; git init -q --bare kdir-0.git")
    (toy.cache / "kdir-0.git/objects/info/alternates").write_text("/nonexistent/objects\n")
    kept = len(list((toy.cache / "results").iterdir())) - 1
    toy.expect(0, "", "scripts/setup --clean")
    assert not [folder for folder in old if folder.exists() and folder.name != "tree.old.1"]
    assert len(list((toy.cache / "results").iterdir())) == kept
    toy.expect(0, "cached", "scripts/kunit 1..2")
