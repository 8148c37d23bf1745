# SPDX-License-Identifier: GPL-2.0
"""scripts/kunit and ci/mutations/run: what is built, run and judged, patch by patch."""
import json
import signal
import xml.etree.ElementTree as ET

import pytest
from conftest import ANSWER, append, edit, program, sums, until

SPLAT = ("printf 'KTAP version 1\\n    ok 1 before\\n------------[ cut here ]------------\\n"
         "WARNING: kernel/foo.c:12 at bar+0x1/0x2\\n    ok 2 culprit\\n' >console")
WARN = "echo 'foo.c:3:1: warning: unused variable' >warn"


# A change to patch 2, the message that it causes, and the counts of passed and failed patches.
@pytest.mark.parametrize("change, says, counts", [
    (SPLAT, "WARNING: kernel/foo.c:12 at bar+0x1/0x2 (in culprit)", "1 passed, 2 failed"),
    ("echo SKIP >status", "suite rust_one: 0 tests pass, 1 did at the patch before", "1 passed, 2 failed"),
    ("echo FAIL/PASS >status", "rust_one: case/of 1: FAIL", "1 passed, 2 failed"),
    (": >console", "no KUnit on the console", "1 passed, 2 failed"),
    ("sed -i 's/cat warn/false/' Makefile", "build failed", "1 passed, 2 failed"),
    (WARN, "foo.c: warning: unused variable", "1 passed, 2 failed"),
    ("echo FAIL >status", "rust_one: case: FAIL", "1 passed, 2 failed"),
    ("echo DEAD >status", "kunit.py failed", "1 passed, 2 failed"),
])
def test_faults(toy, change, says, counts):
    toy.patch(2, change)
    toy.expect(1, [says, counts], "scripts/kunit --json json --junit junit")
    bad = [p["patch"] for p in json.loads((toy.repo / "json").read_text())["patches"] if not p["ok"]]
    assert bad[0] == "0002-MAINTAINERS-Add-gamma.patch"
    assert ET.parse(toy.repo / "junit").findall(".//failure")


def test_failures_are_not_kept(toy):
    toy.patch(2, "rm suites/rust_two")
    for _ in range(2):
        toy.expect(1, ["suite rust_two has vanished", "2 passed, 1 failed"], "scripts/kunit")


def test_reference(toy):
    """Warnings of the patch before are known, whether its result is new, cached, or from another O= folder."""
    toy.patch(2, WARN)
    toy.expect(0, "1 passed, 0 failed", "scripts/kunit 3")
    toy.expect(0, ["1 passed, 0 failed", "cached"], "scripts/kunit 3")
    toy.sh(toy.cache, "rm -r o")
    toy.expect(0, "1 passed, 0 failed", "scripts/kunit 3")
    # One that does not work shows nothing.
    toy.patch(2, "sed -i 's/cat warn/false/' Makefile")
    toy.expect(1, "0 passed, 2 failed", "scripts/kunit 3")


def test_files_keep_their_times(toy):
    """No build is made anew because patches were applied or checked meanwhile."""
    def times():
        toy.expect(0, "1 passed, 0 failed", "scripts/kunit 2")
        return {file: file.stat().st_mtime_ns for file in (toy.cache / "work").rglob("*") if file.is_file()}
    before = times()
    toy.patch(3, f"echo // >>{ANSWER}")
    toy.expect(0, "0 failed", "scripts/check")
    assert times() == before


def test_topic_that_is_set_apart(toy):
    toy.sh(toy.repo, "sed -i 's/^0003/# TOPIC apart\\n&/' series; echo APART=apart >>ci/series.conf")
    toy.expect(0, "2 passed, 0 failed", "scripts/kunit")
    for range, number in (("tip", 2), ("apart", 3)):
        toy.expect(0, [f"{number}  ok", "1 passed, 0 failed"], f"scripts/kunit {range}")
    # What has failed there, until it passes.
    toy.base("echo FAIL >status")
    toy.expect(1, "0 passed, 2 failed", "scripts/kunit apart")
    toy.base("echo PASS >status")
    toy.expect(0, "1 passed, 0 failed", "scripts/kunit --failed")
    toy.expect(0, "no patch failed", "scripts/kunit --failed")


def test_plain_kunit(toy):
    toy.expect(0, "ok    plain", "ci/lint/run plain")


def test_ranges_that_make_no_sense(toy):
    toy.expect(2, "--bisect goes on after a failure", "scripts/kunit --bisect -x")
    toy.sh(toy.repo, "echo '# TOPIC empty' >>series")
    toy.expect(2, "topic empty of series has no patch", "scripts/kunit empty")
    toy.sh(toy.repo, "sed -i '$d' series; echo APART=toy >>ci/series.conf")
    toy.expect(1, "APART in ci/series.conf is toy, which is not the last of several topics", "scripts/check")


def test_failed_goes_by_name(toy):
    """A patch that failed has another number now."""
    toy.patch(3, "echo FAIL >status")
    toy.expect(1, "2 passed, 1 failed", "scripts/kunit")
    toy.sh(toy.repo, "sed -i /^0001-/d series; rm patches/0001-*")
    toy.expect(1, ["patch 2, 0003-rust-Add-a-suite.patch", "0 passed, 1 failed"], "scripts/kunit --failed")


def test_warning_that_make_does_not_repeat(toy):
    """Its neighbour is cached, the tree is there already: nothing is built."""
    toy.patch(2, WARN)
    for _ in range(2):
        toy.expect(1, ["foo.c: warning: unused variable", "0 passed, 1 failed"], "scripts/kunit 2")
    edit(next(toy.patches.glob("0002-*")), "Because", "Since")
    toy.expect(1, "foo.c: warning: unused variable", "scripts/kunit 2")
    toy.expect(1, "1 passed, 2 failed", "scripts/kunit")
    toy.patch(2, ": >warn")
    toy.expect(0, "3 passed, 0 failed", "scripts/kunit")


@pytest.mark.parametrize("other", ["", "ci/compile-fail/run"])
def test_warning_of_a_build_that_nobody_judged(toy, other):
    """One that was cut short, or another command's."""
    toy.base("sed -i 's/^modules:/rust\\/ modules: Image.gz/' Makefile")
    toy.expect(0, "1 passed, 0 failed", "scripts/kunit 2")
    toy.patch(2, WARN)
    if other:
        toy.patch(3, f"echo // >>{ANSWER}")
        toy.expect(2, "", other)
    else:
        toy.program("make", """/usr/bin/make "$@" || exit
            case "$*" in *Image.gz*) if grep -q . "$SERIES_CACHE/work/warn"; then touch "$SERIES_CACHE/now"; sleep 60; fi ;; esac""")
        run = toy.begin("scripts/kunit 2")
        run.send_signal(signal.SIGINT)
        run.wait(20)
        (toy.root / "bin/make").unlink()
    toy.expect(1, "foo.c: warning: unused variable", "scripts/kunit 2")


def test_time_of_a_run(toy):
    """The build of the next patch is no part of it."""
    edit(toy.repo / "scripts/lib/kunit.py", "TIMEOUT = 900", "TIMEOUT = 3")
    toy.patch(2, "sed -i 's/cat warn/sleep 5; cat warn/' Makefile")
    toy.expect(0, "2 passed, 0 failed", "scripts/kunit 1..2")
    toy.expect(0, "2 passed, 0 failed", "scripts/kunit 2..")


def test_cases_with_parameters(toy):
    """They are groups of their own; so are all of a suite that has no other."""
    toy.base("echo PASS/SKIP/PASS >status")
    append(toy.repo / "kconfig-fragments/kunit.config", "# SUITE rust_one\nCONFIG_TOY_ONE=y\n")
    toy.expect(0, "1 passed, 0 failed", "scripts/kunit --json json tip")
    suites = json.loads((toy.repo / "json").read_text())["patches"][-1]["suites"]
    assert suites["rust_one"] == {"case/of 1": "PASS", "case/of 1 (2)": "SKIP", "case/of 1 (3)": "PASS"}
    # One that skips all of them does not run.
    toy.base("echo SKIP >status")
    toy.expect(1, ["suite rust_one does not run, with CONFIG_TOY_ONE on", "no test passed"], "scripts/kunit tip")


@pytest.mark.parametrize("line, says", [
    ("lockdep | - | a | ( | reason", "known-splats:1: '(' is no regular expression"),
    ("lockdep | nonsense | a | b | reason", "known-splats:1: no patch 'nonsense' in series"),
    ("nonsense | - | a | b | reason", "known-splats:1: no flavour 'nonsense'"),
    ("lockdep | - | a", "known-splats:1: five fields")])
def test_known_splats_are_well_formed(toy, line, says):
    (toy.repo / "ci/known-splats").write_text(f"{line}\n")
    assert "Traceback" not in toy.expect(2, says, "scripts/kunit tip")


def test_odd_fragments(toy):
    """Two that name each other; one that is not UTF-8."""
    with open(toy.repo / "kconfig-fragments/rust.config", "ab") as file:
        file.write(b"# WITH lockdep\n# \xe9t\xe9\n")
    toy.expect(0, "1 passed, 0 failed", "scripts/kunit tip")


def test_options_of_a_file_that_was_made(toy):
    """Only the kernel's own files may ask for what does not exist."""
    toy.sh(toy.cache, "mkdir -p log work; echo CONFIG_A=y >log/made; echo CONFIG_B=y >work/defconfig; : >config")
    toy.python(0, "made: CONFIG_A=y did not take effect, .config has n", "-c", f"""if True:
        import build
        from pathlib import Path
        build.patches = lambda: []
        cache = Path("{toy.cache}")
        found = build.without_effect(cache / "config", 0, [cache / "log/made", cache / "work/defconfig"])
        print(*found)
        assert len(found) == 1""")


def test_fault_of_a_program(toy):
    """... is no finding."""
    toy.python(2, "ZeroDivisionError", "-c", "import env; env.main(lambda arguments: 1 // 0)")


def test_places_of_reports(toy):
    """A link stays one, a pipe gets it once, and nobody's file is used on the way."""
    (toy.repo / "a.json.new").write_text("precious")
    (toy.repo / "b.json").symlink_to("a.json")
    toy.sh(toy.repo, "mkfifo pipe; (timeout 60 cat pipe >got) >/dev/null 2>&1 &")
    toy.expect(0, "1 passed, 0 failed", "scripts/kunit --json b.json --junit pipe tip")
    assert (toy.repo / "pipe").is_fifo() and (toy.repo / "b.json").is_symlink()
    until(lambda: "</testsuites>" in (toy.repo / "got").read_text())
    ET.parse(toy.repo / "got")
    assert json.loads((toy.repo / "a.json").read_text())["passed"] == 1
    assert (toy.repo / "a.json.new").read_text() == "precious"
    assert oct((toy.repo / "a.json").stat().st_mode)[-3:] == oct((toy.repo / "got").stat().st_mode)[-3:]
    said = toy.expect(0, "1 passed, 0 failed", "scripts/kunit --json /dev/stdout tip")
    assert '"passed": 1' in said and said.endswith("1 passed, 0 failed\n")
    toy.sh(toy.repo, "scripts/kunit --json /dev/stdout tip >out 2>&1; grep -q '\"passed\": 1' out; grep -q '^   3 ' out; tail -n 1 out | grep '1 passed'")


def test_flavour_like_another(toy):
    toy.expect(0, "1 passed, 0 failed", "scripts/kunit tip")
    objects = toy.cache / "o"
    toy.flavour("other", "# LIKE lockdep")
    for name in ("lockdep/mark", "lockdep/warnings.of-lockdep"):
        (objects / name).touch()
    (objects / "other.new/cut-short").mkdir(parents=True)
    toy.expect(0, "1 passed, 0 failed", "scripts/kunit --flavour other tip")
    assert (objects / "other/mark").exists() and not (objects / "other/warnings.of-lockdep").exists()
    assert not (objects / "other/cut-short").exists() and not (objects / "other.new").exists()
    (objects / "other/mark").unlink()
    toy.expect(0, "1 passed, 0 failed", "scripts/kunit --flavour other tip")
    assert not (objects / "other/mark").exists(), "copied again"


def test_options(toy):
    append(toy.repo / "kconfig-fragments/lockdep.config", "CONFIG_TOY_LOST=y\n")
    toy.expect(1, "lockdep.config: CONFIG_TOY_LOST=y did not take effect", "scripts/kunit tip")
    # One that a later patch adds is no fault.
    toy.expect(0, "", "scripts/tree")
    toy.sh(toy.tree, "printf 'config TOY_LOST\\n' >Kconfig; sed -i 's/grep -v CONFIG_TOY_LOST/cat/' Makefile")
    toy.commit(toy.tree, "rust: Add an option")
    toy.expect(0, "", "scripts/refresh")
    toy.expect(0, "2 passed, 0 failed", "scripts/kunit 3..4")


def test_options_that_nothing_was_compared_with(toy):
    """A gate that compared nothing does not pass."""
    for fragment in (toy.repo / "kconfig-fragments").iterdir():
        toy.sh(toy.repo, f"sed -i '/^#/!d' {fragment}")
    toy.expect(1, "compared", "scripts/kunit tip")


def test_suites_that_a_fragment_asks_for(toy):
    """At each patch, and where no other patch is compared with."""
    append(toy.repo / "kconfig-fragments/kunit.config", "# SUITE rust_three\nCONFIG_TOY_THREE=y\n# SUITE rust_never*\nCONFIG_TOY_NEVER=y\n")
    said = toy.expect(1, ["0 passed, 4 failed", "suite rust_never* does not run, with CONFIG_TOY_NEVER on"], "scripts/kunit")
    assert said.count("suite rust_never*") >= 3
    toy.flavour("other")
    toy.expect(1, "suite rust_never*", "scripts/kunit --flavour other tip")


def test_known_splat(toy):
    toy.base("printf 'KTAP version 1\\nWARNING: at foo\\n    ok 1 culprit\\n' >console")
    toy.patch(2, "echo KTAP version 1 >console")
    known = toy.repo / "ci/known-splats"
    toy.expect(1, "WARNING: at foo", "scripts/kunit 0")
    known.write_text("lockdep | MAINTAINERS-Add-gamma | culprit | ^WARNING: at foo | reason\n")
    toy.expect(0, "0 failed", "scripts/kunit 0..3")
    known.write_text("lockdep | rust-Add-a-suite | culprit | ^WARNING: at foo | reason\n")
    toy.expect(1, "known splat no longer occurs", "scripts/kunit")


def test_results_are_kept(toy):
    toy.env["LLVM"] = f"{toy.cache}/mine/"
    toy.sh(toy.cache, f"cp -R {toy.root}/tools mine; sed -i 's|{toy.root}/tools|{toy.cache}/mine|g' tools; "
                      f"echo export RUSTDOC={toy.cache}/mine/rustdoc CLIPPY_DRIVER={toy.cache}/mine/clippy-driver >>tools")

    def cached(*arguments, **env):
        return toy.expect(0, "3 passed, 0 failed", ["scripts/kunit", *arguments], **env).count(" cached ")
    assert cached() == 0
    assert cached("--json", "json") == 3 and '"cached": true' in (toy.repo / "json").read_text()
    assert cached("--fresh") == 0
    # A verdict depends on fragments, compilers, and a LLVM that the caller names.
    append(toy.repo / "kconfig-fragments/kunit.config", "# other\n")
    assert cached() == 0
    for tool in ("clang", "ld.lld", "rustc", "rustdoc", "clippy-driver", "bindgen"):
        program(toy.cache / "mine" / tool, f"echo {tool} version 99")
        assert cached() == 0, tool
    assert cached() == 3
    # Not on what its message says.
    toy.sh(toy.repo, "sed -i '0,/^---$/s//In other words.\\n---/' patches/0002-*")
    assert cached() == 3
    assert cached(LD_LIBRARY_PATH="/nonexistent") == 0
    (toy.cache / "mine/clippy-driver").unlink()
    toy.expect(3, f"missing: {toy.cache}/mine/clippy-driver", "scripts/kunit")


@pytest.mark.parametrize("llvm", ["1", "{}/"])
def test_clang_of_the_caller(toy, llvm):
    """Whichever way he names it."""
    bin_ = toy.root / "mine"
    toy.sh(toy.root, f"cp -R tools {bin_}")
    env = {"PATH": f"{bin_}:{toy.env['PATH']}", "LLVM": llvm.format(bin_), "RUSTC": bin_ / "rustc", "BINDGEN": bin_ / "bindgen"}
    toy.expect(0, "1 passed, 0 failed", "scripts/kunit 2", **env)
    program(bin_ / "clang", "echo clang version 99")
    said = toy.expect(0, "1 passed, 0 failed", "scripts/kunit 2", **env)
    assert "cached" not in said
    program(bin_ / "clang", "exit 1")
    toy.expect(3, "clang", "scripts/kunit 2", **env)


@pytest.mark.parametrize("change", [
    "echo CONFIG_TOY_LOST=y >>kconfig-fragments/lockdep.config", "sed -i 's/^Because/Since/' patches/0003-*",
    "sed -i /0003-/d series", "echo nonsense >ci/known-splats"])
def test_edits_during_a_run(toy, change):
    """A run tests what there was when it began. (It waits in its first build.)"""
    toy.program("make", """case "$*" in *Image.gz*) touch "$SERIES_CACHE/now"; until [ -e "$SERIES_CACHE/go" ]; do sleep 0.1; done ;; esac
exec /usr/bin/make "$@" """)
    run = toy.begin("scripts/kunit")
    toy.sh(toy.repo, change)
    toy.go_on(run)
    assert toy.said().endswith("3 passed, 0 failed\n"), toy.said()


def test_reports_whatever_a_console_prints(toy):
    """Valid JSON and JUnit, in files with blanks in their names."""
    toy.base(r"printf 'KTAP version 1\n    ok 1 a\nWARNING: at \033[1m \000 \001 <foo> & \"bar\" \377 ]]>\n    ok 2 b\n' >console")
    before = sums(toy.repo)
    toy.expect(1, "0 passed, 2 failed", ["scripts/kunit", "--json", toy.repo / "a b.json", "--junit", "a b.xml", "1"])
    assert before.items() <= sums(toy.repo).items()
    assert "WARNING" in json.dumps(json.loads((toy.repo / "a b.json").read_text()))
    assert ET.parse(toy.repo / "a b.xml").find(".//failure") is not None


def test_case_names_are_unique(toy):
    """GitLab takes the first case of a name."""
    names = []
    for flavour in ("lockdep", "other"):
        toy.flavour("other")
        toy.expect(0, "3 passed, 0 failed", f"scripts/kunit --flavour {flavour} --junit {flavour}.xml")
        names += [(c.get("classname"), c.get("name")) for c in ET.parse(toy.repo / f"{flavour}.xml").iter("testcase")]
    assert len(names) == len(set(names))
    assert {"lockdep.0001.rust_one", "lockdep.0003.rust_three", "other.0003.rust_three"} <= {name for name, _ in names}


# --- mutations ---------------------------------------------------------------

def mutation(toy, name, change):
    """A patch for ci/mutations, of what sh does to the tip."""
    toy.expect(0, "", "scripts/tree")
    toy.sh(toy.tree, f"{change}; git add -A; git diff --cached HEAD >{toy.repo}/ci/mutations/{name}.patch; git reset -q --hard")


@pytest.mark.parametrize("name, change, status, says", [
    ("rust_one-fails", "echo FAIL >status", 0, "ok    rust_one-fails\n      caught: rust_one: case"),
    ("rust_one-splat", "printf 'KTAP version 1\\nWARNING: at foo\\n' >console", 0, "caught: splat"),
    ("rust_one-survives", f"echo // >>{ANSWER}", 1, "SURVIVED"),
    # None of these shows that a test bites.
    ("nosuchsuite-anything", f"echo // >>{ANSWER}", 1, "not run"),
    ("rust_one-dead", "echo DEAD >status", 1, "not run"),
    ("rust_one-vanishes", "rm suites/rust_one", 1, "not run"),
    ("rust_one-hangs", "echo HANG >status", 1, "hung"),
    ("rust_one-broken", "sed -i 's/cat warn/false/' Makefile", 1, "does not build"),
])
def test_mutation(toy, name, change, status, says):
    edit(toy.repo / "ci/mutations/mutations.py", "TIMEOUT = 180", "TIMEOUT = 3")
    mutation(toy, name, change)
    toy.expect(status, [says, "1 passed, 0 failed" if status == 0 else "0 passed, 1 failed"], f"ci/mutations/run {name}")


def test_mutation_that_does_not_apply(toy):
    mutation(toy, "rust_one-x", "echo FAIL >status")
    edit(toy.repo / "ci/mutations/rust_one-x.patch", "-PASS", "-OTHER")
    toy.expect(1, "does not apply", "ci/mutations/run rust_one-x")


def test_mutation_of_the_topic_that_is_set_apart(toy):
    toy.sh(toy.repo, "sed -i 's/^0003/# TOPIC apart\\n&/' series; echo APART=apart >>ci/series.conf")
    mutation(toy, "rust_three-fails", "echo FAIL >status")
    toy.expect(1, "not run: no suite of the tip is called", "ci/mutations/run rust_three-fails")
    edit(toy.repo / "ci/mutations/rust_three-fails.patch", "diff --git", "Needs: apart\n\ndiff --git")
    toy.expect(0, "ok    rust_three-fails", "ci/mutations/run rust_three-fails")
