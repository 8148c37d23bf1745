# SPDX-License-Identifier: GPL-2.0
"""Anybody's environment: the same bytes and verdicts, or one line that names the thing. And how commands end."""
import contextlib
import json
import os
import re
import shutil
import signal
import time
import xml.etree.ElementTree as ET

import pytest
from conftest import ANSWER, COMMANDS, HOSTILE, TOP, append, edit, program, put, until

LONG = "/tmp/" + "x" * 150

# Settings that change nothing. (Those of a group were tried one by one, too.)
VARIABLES = {
    "locale, CDPATH, Python": {
        "LANG": "de_DE.UTF-8", "LC_ALL": "de_DE.UTF-8", "LANGUAGE": "de", "CDPATH": ".:{root}/other:/tmp", "PYTHONSAFEPATH": "1",
        "PYTHONPATH": "{root}/python", "PYTHONHOME": "/nonexistent"},
    "git": {"GIT_DIFF_OPTS": "-u10", "GIT_EXTERNAL_DIFF": "/bin/false", "GIT_PAGER": "false", "GIT_TRACE": "1",
            "GIT_DEFAULT_HASH": "sha256", "GIT_DEFAULT_REF_FORMAT": "reftable", "GIT_LITERAL_PATHSPECS": "1",
            "GIT_DIR": "{kernel}/.git", "GIT_INDEX_FILE": "/nonexistent", "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "diff.noprefix", "GIT_CONFIG_VALUE_0": "true"},
    "make": {"KCONFIG_CONFIG": "/nonexistent/x", "KCFLAGS": "-O1", "KRUSTFLAGS": "-Copt-level=0", "HOSTCFLAGS": "-O1",
             "KBUILD_EXTMOD": "/nonexistent"},
    "MAKEFLAGS, folders": {"MAKEFLAGS": "-n", "TMPDIR": "/nonexistent/tmp", "HOME": None, "SERIES_CACHE": "../cache"},
    "tools": {"PATH": "{root}/shims:{path}", "RUSTC_WRAPPER": "/nonexistent", "RUSTFLAGS": "-x", "CARGO_TARGET_DIR": "/nonexistent",
              "TMPDIR": LONG, "GREP_OPTIONS": "-v", "TAR_OPTIONS": "-v", "XZ_OPT": "-9", "POSIXLY_CORRECT": "1",
              "BASH_ENV": "{root}/startup", "ENV": "{root}/startup"},
    "names of the scripts": dict.fromkeys(
        ("TOP", "SELF", "PROG", "IFS", "CACHE", "COMMAND", "WORK", "trusted", "name", "at", "old_ifs", "word", "mode", "JOB"), ":x"),
    "left in a shell": {"SERIES_ENV": "1", "SERIES_LOCKED": "1", "SERIES_STATE": "x", "SERIES_GROUP": "1", "SERIES_WORK": "{root}/left",
                        "SERIES_ORIGIN": "/nonexistent", "SERIES_TOP": "/nonexistent", "SERIES_PROG": "x", "KCFLAGS": "-O1",
                        "GIT_DIFF_OPTS": "-u10", "GIT_DIR": "{kernel}/.git"},
    "configuration": {"HOME": "{root}/hostile"},
    "configuration by XDG": {"XDG_CONFIG_HOME": "{root}/xdg"},
    "configuration by a variable": {"GIT_CONFIG_GLOBAL": "{root}/hostile/.gitconfig"},
}


@pytest.fixture
def hostile(toy):
    """What the settings point at."""
    root = toy.root
    (root / "other/scripts").mkdir(parents=True)
    for path in ("hostile/.gitconfig", "xdg/git/config"):
        put(root / path, (root / "home/.gitconfig").read_text() + HOSTILE)
    put(root / "hostile/.get_maintainer.conf", "--nom\n")
    put(root / "hostile/.cargo/config.toml", '[build]\ntarget = "wasm32-unknown-unknown"\n')
    for module in ("json", "console", "env", "results"):
        put(root / f"python/{module}.py", "raise SystemExit('not this one')\n")
    for tool in ("rustc", "cargo", "rustfmt"):
        program(root / "shims" / tool, "echo shim >&2; exit 1")
    put(root / "startup", "echo startup; set -x\n")
    return toy


def same(toy, **env):
    """A check that passes, with the right bytes."""
    toy.expect(0, "13 passed, 0 failed", "scripts/check", **env)
    made = {f.name: f.read_bytes() for f in (toy.cache / "refresh/patches").iterdir()}
    assert made == {f.name: f.read_bytes() for f in toy.patches.iterdir()}


@pytest.mark.parametrize("name", VARIABLES)
def test_variables(hostile, name):
    toy = hostile
    env = {k: v and v.format(root=toy.root, path=toy.env["PATH"], kernel=toy.kernel) for k, v in VARIABLES[name].items()}
    same(toy, **env)
    if "configuration" not in name:
        said = toy.expect(0, "0 failed", "scripts/kunit 0", **env)
        assert (toy.cache / "o/lockdep/flags").read_text() == "\n" and "shim" not in said
    # Files that are written are the same, too.
    toy.expect(0, "4 commits", "scripts/tree", **env)
    edit(toy.tree / ANSWER, "42", "43")
    toy.sh(toy.tree, "git commit -q -a --amend --no-edit")
    toy.expect(0, "wrote   patches/0003", "scripts/refresh", **env)
    text = next(toy.patches.glob("0003-*")).read_text()
    assert "\n@@ -1,5 +1,5 @@\n" in text and "diff --git a/rust/kernel/answer.rs b/rust" in text, text


def test_nothing_names_the_cache(toy):
    for command in ("check", "tree", "setup --print", "kunit", "test check"):
        toy.expect(2, "set SERIES_CACHE", f"scripts/{command}", HOME=None, SERIES_CACHE=None)


@pytest.mark.parametrize("cache", [None, "{root}/nowhere"])
def test_questions_that_need_no_cache(toy, cache):
    """Help, wherever it stands; usage; the rows. They make nothing."""
    env = {"HOME": None, "SERIES_CACHE": cache and cache.format(root=toy.root)}
    before = set(toy.root.rglob("*"))
    for command in ("tree --nonsense -h", "kunit 1 --help", "setup --check -h", "send -h toy", "test x -h", "bench -h"):
        toy.expect(0, f"Usage: scripts/{command.split()[0]}", f"scripts/{command}", **env)
    toy.expect(0, "Usage: scripts/boot [--driver", "scripts/boot --build -h", **env)
    toy.expect(0, ["check         default  scripts/check\n", "rt            all      scripts/kunit --flavour rt tip",
                   "mutations     named    ci/mutations/run"], "scripts/test --list", **env)
    runs = [f"ci/{name}/run" for name in ("mutations", "compile-fail", "lint")]
    for command in [f"scripts/{name}" for name in COMMANDS] + runs:
        toy.expect(0, f"Usage: {command}", f"{command} -h", **env)
        toy.expect(2, ["--nonsense", f"Try '{command} -h'."], f"{command} --nonsense", **env)
    assert before == set(toy.root.rglob("*"))


def listed(toy, **env):
    """The rows of the copy that is taken, and what copies there are."""
    said = toy.expect(0, "", "scripts/lib/glue snapshot scripts/test --list", **env)
    return said, {folder.name for folder in (toy.cache / "state").iterdir()}


def test_copy_is_what_its_name_says(toy):
    """Also where something changes while it is made."""
    rows = toy.repo / "ci/rows"
    toy.program("cp", f"""rm {toy.root}/bin/cp; echo 'late all ci/late' >>{rows}
exec /bin/cp "$@" """)
    plain = rows.read_text()
    listed(toy)
    rows.write_text(plain)
    assert "late" not in listed(toy)[0]


def test_copy_of_links_and_modes(toy):
    """A link is what it points at."""
    rows, other = toy.repo / "ci/rows", toy.root / "rows"
    rows.rename(other)
    rows.symlink_to(other)
    first = listed(toy)[1]
    append(other, "late all ci/late\n")
    said, second = listed(toy)
    assert "late" in said and len(second) == 2
    assert not [path for name in second for path in (toy.cache / "state" / name).rglob("*") if path.is_symlink()]
    (toy.repo / "ci/series.conf").chmod(0o600)
    assert first < second < listed(toy)[1]


def test_copy_that_is_damaged(toy):
    """By a removal that was cut short."""
    said, states = listed(toy)
    (toy.cache / "state" / states.copy().pop() / "scripts/lib/rows.py").unlink()
    assert listed(toy) == (said, states)
    assert not list((toy.cache / "tmp").glob("state.*"))


# How git makes it, and what is said if it cannot do.
@pytest.mark.parametrize("how, says", [
    ("clone -q --depth 1 -b v7.3", None), ("clone -q --reference {kernel}", None), ("clone -q --filter=blob:none --no-checkout", "partial clone"),
    ("clone -q -c core.autocrlf=true", None), ("clone -q --bare", None), ("clone -q --ref-format=reftable", None),
    ("init -q --object-format=sha256", "SHA-1")])
def test_clones(toy, how, says):
    """Whatever KDIR is, by one line where that cannot be."""
    clone, source = toy.root / "clone", "" if how.startswith("init") else f"file://{toy.kernel}"
    toy.sh(toy.kernel, "git config uploadpack.allowFilter true")
    made = toy.expect(0, "", ["sh", "-c", f"git {how.format(kernel=toy.kernel)} {source} {clone} 2>&1 || echo no"])
    if made:
        pytest.skip(f"git does not know it: {made}")
    if not source:
        toy.sh(toy.kernel, f"git archive v7.3 | tar -x -C {clone}; cd {clone}; git add -A; git commit -q -m base; git tag -a -m x v7.3")
    if says:
        said = toy.expect(2, says, "scripts/check", KDIR=clone)
        assert len(said.splitlines()) < 4, said
        if not source:
            return
        # The cure that it names.
        toy.sh(toy.root, said.split("'")[1].replace("limit=1g", "limit=1m"))
    same(toy, KDIR=clone)


def test_clone_of_somebody_else(toy):
    """What git accepts in the user's shell works; else git says why."""
    if os.getuid():
        pytest.skip("needs root, to have a clone of another user")
    toy.sh(toy.root, f"chown -R 1000:1000 {toy.kernel}")
    toy.expect(2, "dubious ownership", "scripts/tree")
    append(toy.root / "home/.gitconfig", "[safe]\ndirectory = *\n")
    same(toy)
    toy.expect(0, "4 commits", "scripts/tree")
    toy.git(toy.kernel, "checkout", "-q", "work")
    toy.expect(0, "no difference", "scripts/refresh --check --tree ../kernel --base v7.3")


def test_no_git(toy):
    toy.sh(toy.root, "mkdir few; cp -rsf /bin/. few; cp -rsf /usr/bin/. few; rm few/git*")
    toy.expect(3, "missing: git", "scripts/tree", PATH=toy.root / "few")


@pytest.mark.parametrize("name", ["my linux/series", "a:b", "it's ä#b%c"])
def test_paths_of_the_checkout(toy, name):
    repo = toy.root / name / "repo"
    repo.parent.mkdir(parents=True)
    toy.repo.rename(repo)
    toy.repo, toy.patches = repo, repo / "patches"
    same(toy)
    toy.expect(0, "0 failed", "scripts/kunit 0")
    toy.expect(0, "4 commits", "scripts/tree")
    toy.expect(0, "no difference", "scripts/refresh")


def test_links_to_commands(toy):
    """Of ~/bin, and a checkout below a link."""
    (toy.root / "bin").mkdir()
    (toy.root / "bin/check").symlink_to(toy.repo / "scripts/check")
    (toy.root / "link").symlink_to(toy.repo)
    toy.expect(0, "13 passed", "check", cwd=toy.root)
    toy.expect(0, "0 failed", "link/scripts/kunit 0", cwd=toy.root)


def test_checkout_with_other_line_ends(toy):
    """.gitattributes keeps scripts and patches as they are."""
    shutil.copy(TOP / ".gitattributes", toy.repo)
    toy.sh(toy.repo, "git init -q; git add -A; git commit -q -m x")
    clone = toy.root / "crlf"
    toy.sh(toy.root, f"git clone -q -c core.autocrlf=true {toy.repo} {clone}")
    toy.expect(0, "Usage", f"{clone}/scripts/boot -h")
    for patch in toy.patches.iterdir():
        assert patch.read_bytes() == (clone / "patches" / patch.name).read_bytes()
    toy.repo, toy.patches = clone, clone / "patches"
    same(toy)


# --- ending ------------------------------------------------------------------

# Commands, and what takes ten minutes in them: the build, checkpatch, or git.
SLOW = {"kunit": "make", "test kunit": "make", "boot": "make", "boot --torture": "make", "bench": "make",
        "check": "perl", "test check": "perl", "send toy": "perl", "tree": "git", "refresh": "git"}


def started(toy, command):
    """The command, in the middle of what is slow."""
    if command == "refresh":
        toy.expect(0, "", "scripts/tree")
    if command.startswith(("boot", "bench")):
        toy.need("venv/bin/python3", "guest-arm64")
        for name in ("inline", "module", "torture", "bench"):
            (toy.repo / f"kconfig-fragments/{name}.config").write_text("CONFIG_TOY=y\n")
    if SLOW[command] == "make":
        toy.base("touch slow")
    elif SLOW[command] == "perl":
        toy.base("echo 'system(\"touch \\$SERIES_CACHE/now\"); sleep 600;' >scripts/checkpatch.pl")
    else:
        toy.program("git", """case " $* " in *' am '* | *' format-patch '*) touch "$SERIES_CACHE/now"; sleep 600 ;; esac
exec /usr/bin/git "$@" """)
    if command == "send toy":
        toy.need("venv/bin/b4")
        toy.signed()
    return toy.begin(f"scripts/{command}")


@pytest.mark.parametrize("command, number", [
    *((command, signal.SIGTERM) for command in SLOW),
    *((command, signal.SIGINT) for command in ("kunit", "test kunit", "boot", "check", "tree")),
    *((command, signal.SIGHUP) for command in ("kunit", "test check", "bench", "refresh", "send toy"))])
def test_signals(toy, command, number):
    """All that was started ends, within two seconds."""
    run = started(toy, command)
    began = time.monotonic()
    if number == signal.SIGINT:
        os.killpg(run.pid, number)      # (as a terminal does)
    else:
        os.kill(run.pid, number)
    status = run.wait(15)
    until(lambda: not toy.running(), 15)
    took = time.monotonic() - began
    assert status in (128 + number, -number), toy.said()
    assert took < 3, f"took {took:.1f} s"


@pytest.mark.parametrize("command", ["kunit", "check"])
def test_killed(toy, command):
    """The next run goes on, or says which processes hold the lock."""
    run = started(toy, command)
    run.kill()
    run.wait()
    time.sleep(0.3)
    toy.base("rm -f slow; echo 'exit 0;' >scripts/checkpatch.pl")
    after = toy.start("scripts/check")
    until(lambda: after.poll() is not None or "waiting for" in toy.said())
    if after.poll() is None:
        said = until(lambda: "'kill " in toy.said() and toy.said())
        for pid in re.findall(r"'kill (\d+)'", said):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGTERM)
    assert after.wait(30) == 0, toy.said()


def test_report_of_a_run_that_was_ended(toy):
    """... is no report of a run that found nothing."""
    toy.base("touch slow")
    run = toy.begin("scripts/kunit --json j.json --junit j.xml")
    until((toy.cache / "now").exists)
    run.terminate()
    assert run.wait(5) == 143
    for command in ("", "scripts/kunit 1", "scripts/check"):
        # (One that never begins, where there is a report that says otherwise.)
        if command:
            append(toy.repo / "j.json", "old")
            append(toy.repo / "j.xml", "old")
            toy.expect(2, "no commit 'nope'", f"{command} --json j.json{' --junit j.xml' * ('kunit' in command)}", BASE="nope")
        assert json.loads((toy.repo / "j.json").read_text())["finished"] is False
        if "check" not in command:
            assert ET.parse(toy.repo / "j.xml").find(".//testcase[@name='finished']/failure") is not None


def test_output_that_is_not_there(toy):
    toy.expect(0, "", ["sh", "-c", "scripts/test --list >&-"])
    toy.expect(0, "1 passed, 0 failed", ["sh", "-c", "scripts/kunit 1 2>&-"])
    toy.expect(2, "No space left", ["sh", "-c", "scripts/kunit 1 >/dev/full"])
    toy.expect(2, "cannot write the output", ["sh", "-c", "scripts/check >/dev/full"])


def test_waits_for_another(toy):
    """And says for whom, and how that is ended."""
    first = started(toy, "kunit")
    other = toy.start("scripts/tree")
    said = until(lambda: "waiting for" in toy.said() and toy.said())
    assert "kunit" in said and f"'kill {first.pid}' ends it" in said
    os.kill(other.pid, signal.SIGTERM)
    assert other.wait(3) == 143
    first.terminate()
    assert first.wait(5) == 143


def test_tip_waits_for_another(toy):
    """The commits that the other run works with stay as they are."""
    first = started(toy, "kunit")
    chain = toy.cache / "work.chain"
    before = chain.stat().st_ctime_ns
    other = toy.start("scripts/kunit tip")
    until(lambda: "waiting for" in toy.said())
    assert chain.stat().st_ctime_ns == before
    for process in other, first:
        process.terminate()
        assert process.wait(5) == 143
