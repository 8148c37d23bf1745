# SPDX-License-Identifier: GPL-2.0
"""A toy kernel of a dozen files with a toy series, and a copy of the scripts around it.

Offline, in minutes. Needs git, Python and perl; what else a test needs is named by
its fixture, and the test is skipped where that is missing.
"""
from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

# Whose scripts are tested, the repository that they may be a copy of, and a cache that
# scripts/setup has filled.
TOP = Path(os.environ.get("SCRIPTS") or Path(__file__).resolve().parents[2])
REAL = Path(os.environ.get("REAL") or Path.home() / ".cache/linux-rust-series")
# (A shell starts what is in its background with Ctrl-C ignored.)
signal.signal(signal.SIGINT, signal.default_int_handler)
ANSWER = "rust/kernel/answer.rs"
COMMANDS = ["setup", "tree", "refresh", "check", "kunit", "test", "boot", "send", "bench"]

KERNEL = {
    "rust/helpers/helpers.c": '#include "mutex.c"\n#include "task.c"\n',
    ANSWER: "// SPDX-License-Identifier: GPL-2.0\n\npub fn answer() -> u32 {\n    41\n}\n",
    "MAINTAINERS": "List\n\nALPHA\nM:\tA <a@example.org>\nF:\ta/\n\nBETA\nM:\tB <b@example.org>\nF:\tb/\n",
    "suites/rust_one": "\n",
    "suites/rust_two": "\n",
    # The output of the kernel, the results of its tests, warnings of make.
    "console": "KTAP version 1\n",
    "status": "PASS\n",
    "warn": "",
    "foo.c": "",
    ".rustfmt.toml": 'edition = "2021"\n',
    # Warns only of what it builds. CONFIG_TOY_LOST never takes effect. A file `slow`: the build takes ten minutes.
    "Makefile": """\
KCONFIG_CONFIG ?= $(O)/.config
olddefconfig: ; @grep -v CONFIG_TOY_LOST $(KCONFIG_CONFIG) >$(O)/.config.tmp; mv $(O)/.config.tmp $(KCONFIG_CONFIG)
Image Image.gz bzImage zImage linux: ; @mkdir -p $(O)/arch/arm64/boot; echo "$(KCFLAGS)" >$(O)/flags; \\
\tif [ -f slow ]; then touch $$SERIES_CACHE/now; sleep 600; fi; \\
\t{ [ -e $(O)/warned.c ] && ! find warn foo.c Makefile -newer $(O)/warned.c | grep -q . || cat warn && touch $(O)/warned.c; } && \\
\t{ cat status; ls suites; echo ==; cat console; } >$(O)/arch/arm64/boot/Image.gz && chmod +x $(O)/arch/arm64/boot/Image.gz
modules: ;
""",
    "tools/testing/kunit/kunit.py": """\
import fnmatch, json, os, sys, time
if sys.argv[1] == "config":
    sys.exit()
out = sys.argv[sys.argv.index("--build_dir") + 1]
target = [a.split("=", 1)[1] for a in sys.argv if a.startswith("--json=")][0]
image, console = open(out + "/arch/arm64/boot/Image.gz", encoding="latin-1").read().split("==\\n")
status, *suites = image.split()
# (The kernel of User Mode Linux is a program.)
if not os.access(out + "/arch/arm64/boot/Image.gz", os.X_OK):
    sys.exit("not executable")
if "*" in sys.argv[-1]:
    suites = fnmatch.filter(suites, sys.argv[-1])
open(out + "/test.log", "w", encoding="latin-1").write(console)
if status == "HANG":
    time.sleep(int(sys.argv[sys.argv.index("--timeout") + 1]))
    status = "ERROR"
if status == "DEAD":
    sys.exit("qemu-system-aarch64: cannot start")
def group(s):
    if "/" in status:
        return {"name": s, "sub_groups": [{"name": "case", "test_cases": [
            {"name": "of 1", "status": one} for one in status.split("/")]}]}
    return {"name": s, "test_cases": [{"name": "case", "status": status}]}
json.dump({"sub_groups": [group(s) for s in suites]}, open(target, "w"))
sys.exit("FAIL" in status or status == "ERROR" or not suites)
""",
    "scripts/checkpatch.pl": "exit 0;\n",
    "scripts/spdxcheck.py": "",
    "scripts/spelling.txt": "",
    "scripts/get_maintainer.pl": r"""#!/usr/bin/perl
exit 25 if -e "$ENV{HOME}/.get_maintainer.conf";
print "B <b\@example.org>\n" if $ARGV[-1] =~ /^suites/ || $ARGV[-1] eq "--nol";
print "list\@example.org\n" if $ARGV[-1] eq "--nom";
""",
}
COVER = """\
Toy topic

A cover.

Testing:

- By an LLM, which wrote it.

Not tested: hardware.

--- b4-submit-tracking ---
{"series": {"revision": 1, "change-id": "20260101-toy-0123456789ab"}}
"""
FRAGMENTS = ["rust", "kunit", "boot", "pl061", "pl061-kunit"]
# Compilers that say a version, for where nothing is compiled.
TOOLS = ["clang", "ld.lld", "llvm-nm", "llvm-size", "llvm-cxxfilt", "rustc", "rustdoc", "clippy-driver", "bindgen", "qemu-system-aarch64"]
MARK = ".series-cache"
# Settings that shape a patch, a message or a mail.
HOSTILE = """
[diff]\nnoprefix = true\nmnemonicPrefix = true\nsrcPrefix = x/\nexternal = /bin/false\nalgorithm = patience\ncontext = 8
interHunkContext = 5\nsubmodule = log\nrenames = copies\norderFile = /nonexistent\ncolorMoved = zebra
[format]\nattach = x\nsignOff = true\ncoverLetter = false\nsubjectPrefix = X\nuseAutoBase = true\nnoprefix = true
outputDirectory = /nonexistent\nsuffix = .txt\nthread = deep\nheaders = "X-Header: x\\n"\nsignature = me\nnumbered = true\nfilenameMaxLength = 20
[color]\nui = always\n[core]\npager = false\nabbrev = 5\nhooksPath = /bin\nquotePath = false\n[commit]\ngpgSign = true\ncleanup = scissors
[tag]\ngpgSign = true\n[log]\nshowSignature = true\ndecorate = full\n[rebase]\nautoSquash = true\nupdateRefs = true
[am]\nthreeWay = false\nkeepcr = true\n[apply]\nwhitespace = error\n[i18n]\ncommitEncoding = latin1\nlogOutputEncoding = latin1
[safe]\nbareRepository = explicit\n[init]\ndefaultObjectFormat = sha256\ndefaultRefFormat = reftable\n[sendemail]\nto = x@example.org
[b4]\nsend-series-to = y@example.org\nsend-prefixes = Y\n[status]\nshowUntrackedFiles = no\n[user]\nuseConfigOnly = true
"""


def message(subject: str, body: str = "Because.") -> str:
    return f"{subject}\n\n{body}\n\nAssisted-by: LLM\n"


def put(path: Path, text: str) -> None:
    """A file, and the folder for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def program(path: Path, text: str) -> None:
    put(path, f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@contextlib.contextmanager
def untouched(*folders: Path):
    """Whatever is done, the files in them stay as they are."""
    before = sums(*folders)
    yield
    assert before == sums(*folders)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, f"no '{old}' in {path}"
    path.write_text(text.replace(old, new))


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def sums(*folders: Path) -> dict[str, str]:
    """What is in files, to see that they were not touched."""
    return {str(f): hashlib.sha256(f.read_bytes()).hexdigest()
            for folder in folders for f in sorted(folder.rglob("*"))
            if f.is_file() and "__pycache__" not in f.parts}


class Toy:
    """A folder with a repository of ours, its cache, and a clone of the kernel."""

    def __init__(self, root: Path):
        self.root, self.repo, self.cache, self.kernel = root, root / "repo", root / "cache", root / "kernel"
        self.tree, self.patches = self.cache / "tree", self.repo / "patches"
        self.env = {"PATH": f"{root}/bin:{os.environ['PATH']}:{root}/tools", "HOME": str(root / "home"), "SERIES_CACHE": str(self.cache),
                    "KDIR": str(self.kernel), "JOBS": "2", "LLVM": f"{root}/tools/"}

    def expect(self, status: int, says, command, cwd=None, text=None, timeout=100, **env) -> str:
        """Run a command; hold its status and what it says against what is expected."""
        words = shlex.split(command) if isinstance(command, str) else [str(word) for word in command]
        environ = {k: str(v) for k, v in (self.env | env).items() if v is not None}
        done = subprocess.run(words, cwd=cwd or self.repo, env=environ, input=text or "",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=timeout, check=False)
        assert done.returncode == status, f"{command}: exit {done.returncode}:\n{done.stdout}"
        for part in [says] if isinstance(says, str) else says:
            assert part in done.stdout, f"{command}: does not say '{part}' but:\n{done.stdout}"
        return done.stdout

    def sh(self, where: Path, commands: str) -> str:
        return self.expect(0, "", ["sh", "-ec", commands], cwd=where)

    def git(self, where: Path, *words, text=None) -> str:
        return self.expect(0, "", ["git", *words], cwd=where, text=text).strip()

    def python(self, status: int, says, program, *arguments, **env) -> str:
        """One of our programs by itself, as its command would run it."""
        scripts = self.repo / "scripts"
        self.need("venv/bin/python3")
        return self.expect(status, says, [REAL / "venv/bin/python3", "-B", program, *arguments], SERIES_TOP=self.repo, SERIES_PROG="toy",
                           PYTHONPATH=f"{scripts}/lib:{scripts}/guest:{self.repo}/ci/pl061:{self.repo}/ci/bench", **env)

    def commit(self, where: Path, subject: str, *words, body: str = "Because.") -> None:
        self.git(where, "add", "-A")
        self.git(where, "commit", "-q", *words, "-F", "-", text=message(subject, body))

    def program(self, name: str, text: str) -> None:
        """One that is found before the system's."""
        program(self.root / "bin" / name, text)

    def comment(self, body: str = "Because.", subject: str = "rust: Add a comment") -> None:
        """One more commit in the tree of scripts/tree."""
        if not self.tree.exists():
            self.expect(0, "", "scripts/tree")
        append(self.tree / ANSWER, "// more\n")
        self.commit(self.tree, subject, "--cleanup=verbatim", body=body)

    def flavour(self, name: str, *lines: str) -> None:
        """A configuration of its own."""
        text = "\n".join([f"# Flavour: {name}.", f"# WITH {' '.join(FRAGMENTS)}", f"CONFIG_TOY_{name.upper()}=y", *lines])
        (self.repo / f"kconfig-fragments/{name}.config").write_text(f"{text}\n")

    def base(self, commands: str) -> None:
        """Another kernel, in the place of v7.3."""
        self.sh(self.kernel, f"{commands}\ngit add -A; git commit -q -m other; git tag -f -a -m x v7.3")

    def patch(self, number: int, commands: str) -> None:
        """What the commands do to the tree becomes part of a patch."""
        self.expect(0, "", "scripts/tree")
        self.sh(self.tree, f"{commands}\ngit add -A")
        commits = self.git(self.tree, "rev-list", "--reverse", "refs/worktree/base..HEAD").split()
        self.git(self.tree, "commit", "-q", "--fixup", commits[number])
        self.squash()
        self.expect(0, "", "scripts/refresh")

    def squash(self) -> None:
        self.expect(0, "", "git rebase -q -i --autosquash refs/worktree/base", cwd=self.tree, GIT_SEQUENCE_EDITOR=":")

    def signed(self, *patches: Path) -> None:
        """The clone as an author has it: git am -s made the commits."""
        self.env["UPSTREAM_ROOT"] = self.git(self.kernel, "rev-list", "--max-parents=0", "v7.3")
        self.git(self.kernel, "checkout", "-q", "-B", "signed", "v7.3")
        self.git(self.kernel, "am", "-q", "-3s", *(patches or sorted(self.patches.glob("*.patch"))))

    def clone_state(self) -> str:
        return self.sh(self.kernel, "git for-each-ref; git worktree list; cat .git/config")

    def topic(self, name: str, needed: str, old: str, new: str) -> None:
        """One more, which needs another."""
        self.expect(0, "", "scripts/tree")
        cover = (self.patches / "toy.cover").read_text().replace("toy-0123456789ab", f"{name}-0123456789ab")
        self.git(self.tree, "commit", "-q", "--allow-empty", "--cleanup=verbatim", "-F", "-", text=cover)
        edit(self.tree / ANSWER, old, new)
        self.commit(self.tree, f"rust: Raise the answer to {new}")
        self.expect(0, "wrote", "scripts/refresh")
        edit(self.repo / "series", f"# TOPIC {name}\n", f"# TOPIC {name} {needed}\n")
        self.expect(0, "", "scripts/refresh --force")

    def need(self, *names: str) -> None:
        """Things of a real cache."""
        for name in names:
            if not (REAL / name).exists():
                pytest.skip(f"needs {REAL / name}: scripts/setup makes it")

    # Processes, for tests of how commands end.
    def start(self, command: str, stdin=subprocess.DEVNULL) -> subprocess.Popen:
        with open(self.root / "said", "w", encoding="utf-8") as out:
            return subprocess.Popen(shlex.split(command), cwd=self.repo, env=self.env, stdout=out,
                                    stdin=stdin, stderr=subprocess.STDOUT, start_new_session=True)

    def begin(self, command: str) -> subprocess.Popen:
        """Start a command that leaves a file `now` in the cache where it is to wait."""
        run = self.start(command)
        until(lambda: (self.cache / "now").exists() or run.poll() is not None)
        assert run.poll() is None, self.said()
        return run

    def go_on(self, run: subprocess.Popen) -> None:
        (self.cache / "go").touch()
        assert run.wait(60) == 0, self.said()

    def said(self) -> str:
        return (self.root / "said").read_text(errors="replace")

    def running(self) -> dict[int, str]:
        """What was started here, and with what was started by that."""
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                if any(v.startswith(b"SERIES_CACHE=%s/" % bytes(self.root)) for v in environ):
                    found[int(pid)] = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
            except OSError:
                continue
        return found


def until(condition, seconds: float = 30):
    """Wait for it."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.03)
    return value


def make_cache(folder: Path) -> None:
    """An empty cache with what scripts/setup has made in the real one."""
    put(folder / MARK, "")
    for name in ("bin", "venv", "guest-arm64", "rust-min"):
        if (REAL / name).exists():
            (folder / name).symlink_to(REAL / name)
    tools = folder.parent / "tools"
    (folder / "tools").write_text("".join(f"[ -n \"${{{name}:-}}\" ] || export {name}={value}\n" for name, value in (
        ("LLVM", f"{tools}/"), ("RUSTC", tools / "rustc"), ("BINDGEN", tools / "bindgen"), ("RUSTFMT", shutil.which("rustfmt") or tools / "rustfmt"))))


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("template") / "t"
    toy = Toy(root)
    for folder in ("repo/patches", "repo/kconfig-fragments"):
        (root / folder).mkdir(parents=True)
    put(root / "home/.gitconfig", "[user]\nname = tester\nemail = tester@example.org\n"
                                  "[init]\ndefaultBranch = main\n[advice]\ndetachedHead = false\n")
    for tool in TOOLS:
        program(root / "tools" / tool, f"echo {tool} version 19.1.7")
    for tool in ("codespell", "rustfmt", "flex", "bison", "bc"):
        if not shutil.which(tool):
            program(root / "tools" / tool, "cat")
    for name, text in KERNEL.items():
        put(toy.kernel / name, text)
    (toy.kernel / "scripts/get_maintainer.pl").chmod(0o755)
    toy.sh(toy.kernel, "git init -q; git add -A; git commit -q -m base; git tag -a -m 'Toy 7.3' v7.3; git checkout -q -b work")
    toy.git(toy.kernel, "commit", "-q", "--allow-empty", "--cleanup=verbatim", "-F", "-", text=COVER)
    edit(toy.kernel / ANSWER, "41", "42")
    toy.commit(toy.kernel, "rust: Mend the answer")
    append(toy.kernel / "MAINTAINERS", "\nGAMMA\nM:\tC <c@example.org>\nF:\tc/\n")
    toy.commit(toy.kernel, "MAINTAINERS: Add gamma")
    (toy.kernel / "suites/rust_three").write_text("\n")
    toy.commit(toy.kernel, "rust: Add a suite")
    # Of the repository: the scripts, without what this series tests.
    shutil.copytree(TOP / "scripts", toy.repo / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(TOP / "ci", toy.repo / "ci", ignore=shutil.ignore_patterns("__pycache__", "tests", "*.patch", "*.rs"))
    for name in FRAGMENTS:
        (toy.repo / f"kconfig-fragments/{name}.config").write_text(f"CONFIG_TOY_{name.upper().replace('-', '_')}=y\n")
    toy.flavour("lockdep")
    (toy.repo / "ci/known-splats").write_text("")
    append(toy.repo / "ci/series.conf", "APART=\n")
    (toy.repo / "MAINTAINERS.snippet").write_text("")
    (toy.repo / "README.md").write_text("Toy\n\n<!-- patches -->\n<!-- /patches -->\n")
    (toy.repo / "series").write_text("# BASE v7.3\n# TOPIC toy\n")
    make_cache(toy.cache)
    toy.expect(0, "wrote", f"scripts/refresh --tree {toy.kernel} --base v7.3")
    toy.git(toy.kernel, "checkout", "-q", "main")
    shutil.rmtree(toy.cache)
    return root


@pytest.fixture
def toy(template, tmp_path):
    """A copy of its own, and nothing left running."""
    subprocess.run(["cp", "-a", f"{template}/.", tmp_path / "t"], check=True)
    toy = Toy(tmp_path / "t")
    make_cache(toy.cache)
    yield toy
    for pid in toy.running():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(tmp_path, ignore_errors=True)


def pytest_unconfigure(config) -> None:
    """The last line, as scripts/test reads it. Where no test ran, none passed."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter and not hasattr(config, "workerinput"):
        count = {name: len(reporter.stats.get(name, [])) for name in ("passed", "failed", "error", "skipped")}
        if not any(count.values()):
            count["failed"] = 1
        skipped = f", {count['skipped']} skipped" if count["skipped"] else ""
        print(f"{count['passed']} passed, {count['failed'] + count['error']} failed{skipped}", flush=True)
