# SPDX-License-Identifier: GPL-2.0
"""scripts/setup, with an apt that writes down what it is asked, and the tools that others ask for."""
import os
import signal
import time

import pytest
from conftest import edit, program, sums, until


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


def test_end_of_sudo(toy, apt):
    """D1: at once, and with no step after it."""
    program(toy.root / "bin/id", "echo 1000")
    program(toy.root / "bin/sudo", f'echo "sudo $*" >>{apt}; [ "$*" = -v ] || {{ touch "$SERIES_CACHE/now"; exec sleep 600; }}')
    run = toy.start("scripts/setup")
    until((toy.cache / "now").exists)
    began = time.monotonic()
    os.kill(run.pid, signal.SIGTERM)
    assert run.wait(15) == 143, toy.said()
    until(lambda: not toy.running(), 15)
    assert time.monotonic() - began < 3
    assert [line.split()[0] for line in apt.read_text().splitlines()] == ["sudo", "sudo"]


def test_variables_of_the_network(toy, apt):
    """C3."""
    wanted = ["ALL_PROXY", "all_proxy", "PIP_TRUSTED_HOST", "REQUESTS_CA_BUNDLE", "SUDO_ASKPASS", "CARGO_NET_GIT_FETCH_WITH_CLI"]
    program(toy.root / "bin/apt-get", f"env >{apt}; exit 100")
    toy.expect(2, "", "scripts/setup", **dict.fromkeys(wanted, "x"))
    assert not [name for name in wanted if f"{name}=x" not in apt.read_text().splitlines()]


def offer(toy):
    """The kernel, as kernel.org packs it."""
    (toy.cache / "download").mkdir(exist_ok=True)
    toy.sh(toy.kernel, "echo '*.o' >.gitignore; git add -A; git commit -q --allow-empty -m x;"
                       f"git archive --prefix=linux-7.3.4/ HEAD | xz >{toy.cache}/download/linux-7.3.4.tar.xz")
    toy.sh(toy.cache / "download", "sha256sum linux-7.3.4.tar.xz >linux-7.3.4.tar.xz.sha256")


def test_kernel_of_kernel_org(toy, apt):
    """E2: is taken if it has the sum that is beside it."""
    offer(toy)
    summed = toy.cache / "download/linux-7.3.4.tar.xz.sha256"
    right = summed.read_text()
    for wrong in ("0" * 64 + right[64:], None):
        summed.write_text(wrong) if wrong else summed.unlink()
        toy.expect(1, "is not taken", "scripts/setup --step fetch_kernel", KDIR=None)
        assert not (toy.cache / "linux.git").exists()
    summed.write_text(right)
    toy.expect(0, "", "scripts/setup --step fetch_kernel", KDIR=None)
    toy.expect(0, "0 failed", "scripts/check", KDIR=None)


@pytest.mark.parametrize("state", ["whole", "damaged"])
def test_new_kernel_and_old_commits(toy, apt, state):
    """B3: an author's commits stay."""
    offer(toy)
    toy.expect(0, "", "scripts/setup --step fetch_kernel", KDIR=None)
    toy.expect(0, "4 commits", "scripts/tree", KDIR=None)
    toy.sh(toy.tree, "echo '// more' >>rust/kernel/answer.rs")
    toy.commit(toy.tree, "rust: Add a comment")
    edit(toy.kernel / "MAINTAINERS", "List", "A list")
    offer(toy)
    git = toy.cache / "linux.git"
    if state == "damaged":
        (git / "HEAD").write_text("nonsense")
    toy.expect(0, "", "scripts/setup --step fetch_kernel", KDIR=None)
    assert "A list" in toy.git(git, "show", "HEAD:MAINTAINERS")
    if state == "damaged":
        assert len(list(toy.cache.glob("linux.git.old.*"))) == 1
        return
    toy.expect(1, "has work that is not in patches/", "scripts/tree", KDIR=None)
    toy.expect(0, "wrote   patches/0004-rust-Add-a-comment.patch", "scripts/refresh", KDIR=None)
    toy.expect(0, "5 commits", "scripts/tree", KDIR=None)
    assert "A list" in (toy.tree / "MAINTAINERS").read_text()


def test_kernel_that_debian_no_longer_has(toy, apt):
    """B26: a message names file, hash, and where people get it."""
    toy.need("venv/bin/b4", "guest-arm64", "rust-min")
    program(toy.root / "bin/dpkg-query", "echo installed")
    conf = (toy.repo / "ci/series.conf").read_text()
    wanted = [line.split("'")[1] for line in conf.splitlines() if line.startswith(("KERNEL_SHA256=", "KERNEL_UPSTREAM="))]
    toy.expect(2, [f"{toy.cache}/download", *wanted], "scripts/setup", KDIR=None)
    assert not (toy.cache / "linux.git").exists()


def test_clean(toy):
    """B28: what is old goes, and nothing else."""
    toy.expect(0, "2 passed, 0 failed", "scripts/kunit 1..2")
    old = [toy.cache / "results/old", toy.cache / "state/old", toy.cache / "log/test.old", toy.cache / "tree.old.1", toy.cache / "kdir-0.git"]
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
