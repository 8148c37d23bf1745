# SPDX-License-Identifier: GPL-2.0
"""scripts/setup, with an apt that writes down what it is asked, and the tools that others ask for."""
import os
import pty
import signal
import time

import pytest
from conftest import edit, untouched, until


@pytest.fixture
def apt(toy):
    """Packages that are not there, and an archive that does not have them."""
    log = toy.root / "asked"
    log.touch()
    for name in ("apt-get", "apt", "sudo", "curl", "wget", "pip"):
        toy.program(name, f'echo "{name} $*" >>{log}; [ "$*" != -v ] || exit 0; echo E: no such version >&2; exit 100')
    toy.program("dpkg-query", "exit 1")
    toy.program("id", "echo 1000")
    return log


def test_print_changes_nothing(toy, apt):
    with untouched(toy.cache, toy.repo):
        toy.expect(0, "", "scripts/setup --print")
        toy.expect(3, "", "scripts/setup --check")
    assert " install" not in apt.read_text() and " update" not in apt.read_text()


def test_missing_tools_are_named(toy):
    toy.sh(toy.cache, "rm -f bin venv tools")
    toy.expect(0, "requirements.txt", "scripts/setup --print")
    toy.expect(3, ["nosuchbindgen", "run scripts/setup"], "scripts/kunit", BINDGEN="/nonexistent/nosuchbindgen", LLVM="1")
    toy.expect(3, "no kernel source: run scripts/setup", "scripts/tree", KDIR=None)
    toy.expect(3, "missing: /nonexistent/rustfmt", "scripts/check", RUSTFMT="/nonexistent/rustfmt", RUSTC="/nonexistent/rustc")


def test_order_of_tools(toy):
    """The caller's, then what setup has made, then those in PATH."""
    del toy.env["LLVM"]
    toy.expect(0, "", "scripts/setup --step write_tools")
    def tools(**env):
        names = "LLVM", "RUSTC", "RUSTDOC", "RUSTFMT", "BINDGEN", "LIBCLANG_PATH"
        words = [toy.repo / "scripts/lib/glue", "sh", "-c", " ".join(f'echo "${name}";' for name in names)]
        return dict(zip(names, toy.expect(0, "", words, **env).split("\n")))
    made = tools()
    assert made["LLVM"] == "-19" and made["RUSTC"] == "/usr/bin/rustc" and made["BINDGEN"].endswith("bindgen")
    assert tools(RUSTFMT="mine") == made | {"RUSTFMT": "mine"}
    assert tools(LLVM="1") == made | {"LLVM": "1", "LIBCLANG_PATH": ""}
    # (His rustdoc belongs to his rustc.)
    assert tools(RUSTC="mine") == made | {"RUSTC": "mine", "RUSTDOC": "", "RUSTFMT": ""}
    (toy.cache / "tools").unlink()
    assert not any(tools().values())


@pytest.fixture
def few(toy):
    """No apt, no dpkg, nothing that setup has made; tools by PATH and variables."""
    toy.sh(toy.root, "mkdir few; cp -rsf /usr/bin/. few; cp -rsf /bin/. few; cp -sf $PWD/tools/* few; rm -f few/apt* few/dpkg*")
    toy.sh(toy.cache, "rm -rf bin guest-arm64 rust-min tools")
    tools = toy.root / "tools"
    toy.env |= {"PATH": f"{toy.root}/bin:{toy.root}/few", "LLVM": f"{tools}/", "RUSTC": f"{tools}/rustc", "BINDGEN": f"{tools}/bindgen"}
    return toy


def test_no_dpkg_and_no_apt(few):
    few.expect(0, "0 failed", "scripts/check")
    few.expect(0, "1 passed, 0 failed", "scripts/kunit tip")
    few.expect(0, "16 passed, 0 failed", "scripts/test check kunit")
    # Each command names what it lacks, all of it.
    said = few.expect(3, "missing: ", "scripts/boot")
    assert all(f"{few.cache}/guest-arm64/root/usr/bin/{name}" in said for name in ("busybox", "gpioget", "gpiomon")) and "bindgen" not in said.split(":")[1]
    few.sh(few.root, "mkdir -p guest/usr/bin; cp tools/clang guest/usr/bin/busybox; for t in detect get info mon notify set; do cp tools/clang guest/usr/bin/gpio$t; done")
    few.need("venv/bin/python3")
    few.expect(2, "boot: builtin: build", "scripts/boot", GUEST=few.root / "guest")
    few.base("echo 'import git' >scripts/spdxcheck.py")
    few.sh(few.root, "printf '#!/bin/sh\ncase $* in *ply*) exit 1 ;; esac\nexec /usr/bin/python3 \"$@\"\n' >few/py; chmod +x few/py")
    edit(few.repo / "scripts/lib/env.sh", "PYTHON=/usr/bin/python3", f"PYTHON={few.root}/few/py")
    few.expect(3, "missing: git and ply", "scripts/check")
    few.sh(few.root, "rm few/perl few/codespell")
    few.expect(3, "missing: codespell perl", "scripts/check")
    few.expect(0, "is no Debian", "scripts/setup")


def debian(toy, number, codename):
    """What setup would do in that Debian."""
    release = toy.root / "os-release"
    release.write_text(f'ID=debian\nVERSION_ID="{number}"\nVERSION_CODENAME={codename}\n')
    mounted = toy.expect(0, "", ["sh", "-c", f"unshare -m mount --bind {release} /etc/os-release 2>&1 || :"])
    if mounted:
        pytest.skip(f"cannot mount: {mounted}")
    toy.sh(toy.cache, "rm -f bin rust-min")
    toy.program("apt-get", f"""case "$*" in *Codename:\\ {codename}) echo http://mirror.example/debian ;; *indextargets*) ;; *) exit 100 ;; esac""")
    return toy.expect(0, "", ["unshare", "-m", "sh", "-c", f"mount --bind {release} /etc/os-release; scripts/setup --print"], KDIR=None)


def test_two_debians(toy, apt):
    twelve, thirteen = debian(toy, 12, "bookworm"), debian(toy, 13, "trixie")
    assert "rustc-web" in twelve and "bindgen-cli@" in twelve and "rustc-web=1.85.0" in twelve
    assert " rustc " in thirteen and " bindgen " in thirteen and "ln -s /usr/bin/rustc " in thirteen
    assert "-web" not in thirteen and "cargo" not in thirteen
    assert all("http://mirror.example/debian trixie-backports main" in said for said in (twelve, thirteen))


def test_apt_waits_for_its_lock(toy, apt):
    """And sudo asks before anything is written over its prompt."""
    toy.expect(2, "apt", "scripts/setup")
    asked = apt.read_text().splitlines()
    assert asked.pop(0) == "sudo -v"
    assert asked and all("DPkg::Lock::Timeout=" in line for line in asked if " install " in line or " update" in line), asked


@pytest.mark.parametrize("waits", ["-v", "DEBIAN_FRONTEND=*"])
def test_end_of_sudo(toy, apt, waits):
    """At once, while it asks or works, and with no step after it."""
    toy.program("sudo", f'echo "sudo $*" >>{apt}; case $* in {waits}) touch "$SERIES_CACHE/now"; exec sleep 600 ;; esac')
    run = toy.begin("scripts/setup")
    began = time.monotonic()
    os.kill(run.pid, signal.SIGTERM)
    assert run.wait(15) == 143, toy.said()
    until(lambda: not toy.running(), 15)
    assert time.monotonic() - began < 3
    assert {line.split()[0] for line in apt.read_text().splitlines()} == {"sudo"}


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_password_of_sudo(toy, apt, answer):
    """It is asked for on the terminal, and the answer arrives."""
    toy.program("sudo", f"""echo "sudo $*" >>{apt}; [ "$*" = -v ] || exit 100
        printf 'password for tester: ' >/dev/tty; read -r answer </dev/tty; [ "$answer" = yes ] """)
    terminal, end = pty.openpty()
    run = toy.start("setsid -cw scripts/setup", stdin=end)
    said = b""
    while b"password for tester: " not in said:
        said += os.read(terminal, 1000)
    os.write(terminal, f"{answer}\n".encode())
    assert run.wait(30) == 2
    assert (len(apt.read_text().splitlines()) > 1) == (answer == "yes"), toy.said()


def test_variables_of_the_network(toy, apt):
    wanted = ["ALL_PROXY", "all_proxy", "PIP_TRUSTED_HOST", "REQUESTS_CA_BUNDLE", "SUDO_ASKPASS", "CARGO_NET_GIT_FETCH_WITH_CLI"]
    toy.program("sudo", f"env >{apt}; exit 100")
    toy.expect(2, "", "scripts/setup", **dict.fromkeys(wanted, "x"))
    assert not [name for name in wanted if f"{name}=x" not in apt.read_text().splitlines()]


def offer(toy):
    """The kernel, as kernel.org packs it."""
    (toy.cache / "download").mkdir(exist_ok=True)
    toy.sh(toy.kernel, "echo '*.o' >.gitignore; git add -A; git commit -q --allow-empty -m x;"
                       f"git archive --prefix=linux-7.3.4/ HEAD | xz >{toy.cache}/download/linux-7.3.4.tar.xz")
    toy.sh(toy.cache / "download", "sha256sum linux-7.3.4.tar.xz >linux-7.3.4.tar.xz.sha256")


def test_kernel_of_kernel_org(toy, apt):
    """Is taken if it has the sum that is beside it."""
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
    """An author's commits stay."""
    offer(toy)
    toy.expect(0, "", "scripts/setup --step fetch_kernel", KDIR=None)
    toy.expect(0, "4 commits", "scripts/tree", KDIR=None)
    toy.comment()
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
    """A message names file, hash, and where people get it."""
    toy.need("venv/bin/b4", "guest-arm64", "rust-min")
    toy.program("dpkg-query", "echo installed")
    conf = (toy.repo / "ci/series.conf").read_text()
    wanted = [line.split("'")[1] for line in conf.splitlines() if line.startswith(("KERNEL_SHA256=", "KERNEL_UPSTREAM="))]
    toy.expect(2, [f"{toy.cache}/download", *wanted], "scripts/setup", KDIR=None)
    assert not (toy.cache / "linux.git").exists()


def test_clean(toy):
    """What is old goes, and nothing else."""
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
