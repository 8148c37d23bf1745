# SPDX-License-Identifier: GPL-2.0
"""scripts/kunit and ci/mutations/run: what is built, run and judged, patch by patch."""
import json
import xml.etree.ElementTree as ET

import pytest
from conftest import FRAGMENTS, edit, program, until

SPLAT = ("printf 'KTAP version 1\\n    ok 1 before\\n------------[ cut here ]------------\\n"
         "WARNING: kernel/foo.c:12 at bar+0x1/0x2\\n    ok 2 culprit\\n' >console")


def test_ranges(toy):
    toy.expect(2, "patches 1 to 3", "scripts/kunit 7")
    toy.expect(2, "", "scripts/kunit 2..1")
    toy.expect(2, "no flavour 'nonsense'", "scripts/kunit --flavour nonsense")


def test_range_to_the_end(toy):
    """B23: as git has it."""
    toy.expect(0, "2 passed, 0 failed", "scripts/kunit 2..")


def test_number_of_jobs(toy):
    toy.expect(2, "JOBS", "scripts/kunit", JOBS="many")


# What becomes part of patch 2, what is said of it, and how many patches pass and fail.
@pytest.mark.parametrize("change, says, counts", [
    (SPLAT, "WARNING: kernel/foo.c:12 at bar+0x1/0x2 (in culprit)", "1 passed, 2 failed"),
    ("rm suites/rust_two", "suite rust_two has vanished", "2 passed, 1 failed"),
    ("echo SKIP >status", "suite rust_one: 0 tests pass, 1 did at the patch before", "2 passed, 1 failed"),
    (": >console", "no KUnit on the console", "1 passed, 2 failed"),
    ("echo 'foo.c:3:1: warning: unused variable' >warn", "foo.c: warning: unused variable", "1 passed, 2 failed"),
    ("sed -i 's/cat warn/false/' Makefile", "build failed", "1 passed, 2 failed"),
    ("echo FAIL >status", "rust_one: case: FAIL", "1 passed, 2 failed"),
    ("echo DEAD >status", "kunit.py failed", "1 passed, 2 failed"),
])
def test_faults(toy, change, says, counts):
    toy.patch(2, change)
    toy.expect(1, [says, counts], "scripts/kunit --json json --junit junit")
    bad = [p["patch"] for p in json.loads((toy.repo / "json").read_text())["patches"] if not p["ok"]]
    assert bad[0] == "0002-MAINTAINERS-Add-gamma.patch"
    assert ET.parse(toy.repo / "junit").findall(".//failure")


def test_reference(toy):
    """What the patch before warns of is known, whether its result is new, from the cache, or that of another O= folder."""
    toy.patch(2, "echo 'foo.c:3:1: warning: unused variable' >warn")
    toy.expect(0, "1 passed, 0 failed", "scripts/kunit 3")
    toy.expect(0, ["1 passed, 0 failed", "cached"], "scripts/kunit 3")
    toy.sh(toy.cache, "rm -r o")
    toy.expect(0, "1 passed, 0 failed", "scripts/kunit 3")
    # One that does not work shows nothing.
    toy.patch(2, "sed -i 's/cat warn/false/' Makefile")
    toy.expect(1, "0 passed, 2 failed", "scripts/kunit 3")


def test_flavour_like_another(toy):
    toy.expect(0, "1 passed, 0 failed", "scripts/kunit tip")
    lockdep, other, objects = (toy.repo / "kconfig-fragments/lockdep.config", toy.repo / "kconfig-fragments/other.config", toy.cache / "o")
    other.write_text("# LIKE lockdep\n" + lockdep.read_text())
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
    lockdep = toy.repo / "kconfig-fragments/lockdep.config"
    plain = lockdep.read_text()
    lockdep.write_text(plain + "CONFIG_TOY_LOST=y\n")
    toy.expect(1, "lockdep.config: CONFIG_TOY_LOST=y did not take effect", "scripts/kunit tip")
    # One that a later patch adds is no fault.
    toy.expect(0, "", "scripts/tree")
    toy.sh(toy.tree, "printf 'config TOY_LOST\\n' >Kconfig; sed -i 's/grep -v CONFIG_TOY_LOST/cat/' Makefile")
    toy.commit(toy.tree, "rust: Add an option")
    toy.expect(0, "", "scripts/refresh")
    toy.expect(0, "2 passed, 0 failed", "scripts/kunit 3..4")


@pytest.mark.parametrize("how", ["no option", "blank"])
def test_options_that_nothing_was_compared_with(toy, how):
    """B8: a gate that compared nothing does not pass."""
    lost, fragments = "CONFIG_TOY_LOST=y\n", toy.repo / "kconfig-fragments"
    if how == "no option":
        for name in FRAGMENTS:
            (fragments / f"{name}.config").write_text("")
        (fragments / "lockdep.config").write_text(f"# WITH {' '.join(FRAGMENTS)}\n")
        toy.expect(1, "compared", "scripts/kunit tip")
    else:
        # Works, and sees the fault; or says what is wrong with the path.
        repo = toy.root / "my repo"
        toy.repo.rename(repo)
        with open(repo / "kconfig-fragments/lockdep.config", "a", encoding="utf-8") as file:
            file.write(lost)
        said = toy.expect(1, "CONFIG_TOY_LOST=y did not take effect", ["scripts/kunit", "tip"], cwd=repo)
        assert "cat:" not in said


def test_suites_that_a_fragment_asks_for(toy):
    """B9: at each patch, and where no other patch is compared with."""
    with open(toy.repo / "kconfig-fragments/kunit.config", "a", encoding="utf-8") as file:
        file.write("# SUITE rust_three\nCONFIG_TOY_THREE=y\n# SUITE rust_never*\nCONFIG_TOY_NEVER=y\n")
    said = toy.expect(1, ["0 passed, 4 failed", "suite rust_never* does not run, with CONFIG_TOY_NEVER on"], "scripts/kunit")
    assert said.count("suite rust_never*") >= 3
    (toy.repo / "kconfig-fragments/other.config").write_text(f"# WITH {' '.join(FRAGMENTS)}\nCONFIG_TOY_X=y\n")
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
    known.write_text("lockdep | nonsense | culprit | ^WARNING: at foo | reason\n")
    toy.expect(2, "no patch 'nonsense' in series", "scripts/kunit")


def test_results_are_kept(toy):
    toy.sh(toy.cache, f"cp -R {toy.root}/tools mine; sed -i 's|{toy.root}/tools|{toy.cache}/mine|g' tools")

    def cached(*arguments, **env):
        return toy.expect(0, "3 passed, 0 failed", ["scripts/kunit", *arguments], **env).count(" cached ")
    assert cached() == 0
    assert cached("--json", "json") == 3 and '"cached": true' in (toy.repo / "json").read_text()
    assert cached("--fresh") == 0
    # What goes into a verdict: fragments, compilers, and a LLVM that the caller names.
    with open(toy.repo / "kconfig-fragments/kunit.config", "a", encoding="utf-8") as file:
        file.write("# other\n")
    assert cached() == 0
    for tool in ("clang", "rustc", "bindgen"):
        program(toy.cache / "mine" / tool, f"echo {tool} version 99")
        assert cached() == 0, tool
    assert cached() == 3
    # B6: a compiler that does not run is no compiler of any version.
    program(toy.cache / "mine/clang", "exit 1")
    toy.expect(3, "clang", "scripts/kunit")


@pytest.mark.parametrize("llvm", ["1", "{}/"])
def test_clang_of_the_caller(toy, llvm):
    """B6: whichever way he names it."""
    bin_ = toy.root / "mine"
    toy.sh(toy.root, f"cp -R tools {bin_}")
    env = {"PATH": f"{bin_}:{toy.env['PATH']}", "LLVM": llvm.format(bin_), "RUSTC": bin_ / "rustc", "BINDGEN": bin_ / "bindgen"}
    toy.expect(0, "1 passed, 0 failed", "scripts/kunit 2", **env)
    program(bin_ / "clang", "echo clang version 99")
    said = toy.expect(0, "1 passed, 0 failed", "scripts/kunit 2", **env)
    assert "cached" not in said
    program(bin_ / "clang", "exit 1")
    toy.expect(3, "clang", "scripts/kunit 2", **env)


def test_failures_are_not_kept(toy):
    toy.patch(2, "rm suites/rust_two")
    toy.expect(1, "has vanished", "scripts/kunit")
    toy.expect(1, "2 passed, 1 failed", "scripts/kunit")


def paused(toy):
    """A run of all patches that waits in its first build for a file `go`."""
    program(toy.root / "bin/make", """case "$*" in *Image.gz*) touch "$SERIES_CACHE/now"; until [ -e "$SERIES_CACHE/go" ]; do sleep 0.1; done ;; esac
exec /usr/bin/make "$@" """)
    run = toy.start("scripts/kunit", PATH=f"{toy.root}/bin:{toy.env['PATH']}")
    until((toy.cache / "now").exists)
    return run


@pytest.mark.parametrize("what, change", [
    ("a fragment", "echo CONFIG_TOY_LOST=y >>kconfig-fragments/lockdep.config"),
    ("a patch", "sed -i 's/^Because/Since/' patches/0003-*"),
    ("the series", "sed -i /0003-/d series"),
    ("known splats", "echo nonsense >ci/known-splats"),
])
def test_edits_during_a_run(toy, what, change):
    """B5: a run tests what there was when it began."""
    run = paused(toy)
    toy.sh(toy.repo, f"{change}")
    (toy.cache / "go").touch()
    assert run.wait(60) == 0, f"{what}: {toy.said()}"
    assert toy.said().endswith("3 passed, 0 failed\n"), toy.said()


def test_verdict_of_another_configuration(toy):
    """B5: no verdict is kept for a file that was not read."""
    toy.base("sed -i 's/cat status/grep -q TOY_MORE $(O)\\/.config \\&\\& echo PASS || echo FAIL/' Makefile")
    lockdep = toy.repo / "kconfig-fragments/lockdep.config"
    plain = lockdep.read_text()
    run = paused(toy)
    lockdep.write_text(plain + "CONFIG_TOY_MORE=y\n")
    (toy.cache / "go").touch()
    run.wait(60)
    lockdep.write_text(plain)
    assert " cached " not in toy.expect(1, "0 passed", "scripts/kunit")


def test_reports_whatever_a_console_prints(toy):
    """B10, B4: valid JSON and JUnit, in files with blanks in their names."""
    toy.base(r"printf 'KTAP version 1\n    ok 1 a\nWARNING: at \033[1m \000 \001 <foo> & \"bar\" \377 ]]>\n    ok 2 b\n' >console")
    for name in ("a", "b.json", "b.xml"):
        (toy.repo / name).write_text("precious")
    toy.expect(1, "0 passed, 2 failed", ["scripts/kunit", "--json", toy.repo / "a b.json", "--junit", "a b.xml", "1"])
    assert "WARNING" in json.dumps(json.loads((toy.repo / "a b.json").read_text()))
    assert ET.parse(toy.repo / "a b.xml").find(".//failure") is not None
    assert all((toy.repo / name).read_text() == "precious" for name in ("a", "b.json", "b.xml"))


def test_case_names_are_unique(toy):
    """GitLab takes the first case of a name."""
    names = []
    for flavour in ("lockdep", "other"):
        (toy.repo / "kconfig-fragments/other.config").write_text(f"# WITH {' '.join(FRAGMENTS)}\nCONFIG_TOY_X=y\n")
        toy.expect(0, "3 passed, 0 failed", f"scripts/kunit --flavour {flavour} --junit {flavour}.xml")
        names += [(c.get("classname"), c.get("name")) for c in ET.parse(toy.repo / f"{flavour}.xml").iter("testcase")]
    assert len(names) == len(set(names))
    assert {"lockdep.0001.rust_one", "lockdep.0003.rust_three", "other.0003.rust_three"} <= {name for name, _ in names}


# --- mutations ---------------------------------------------------------------

def mutation(toy, name, path, change):
    """A patch for ci/mutations, of what sh does to the tip."""
    toy.expect(0, "", "scripts/tree")
    toy.sh(toy.tree, f"{change}; git add -A; git diff --cached HEAD -- {path} >{toy.repo}/ci/mutations/{name}.patch; git reset -q --hard")


@pytest.fixture
def mutations(toy):
    (toy.repo / "ci/mutations").mkdir(exist_ok=True)
    return lambda status, says, name: toy.expect(status, says, f"ci/mutations/run {name}")


@pytest.mark.parametrize("name, change, status, says", [
    ("rust_one-fails", "echo FAIL >status", 0, "ok    rust_one-fails\n      caught: rust_one: case"),
    ("rust_one-splat", "printf 'KTAP version 1\\nWARNING: at foo\\n' >console", 0, "caught: splat"),
    ("rust_one-survives", "echo // >>rust/kernel/answer.rs", 1, "SURVIVED"),
    # B7: none of these shows that a test bites.
    ("nosuchsuite-anything", "echo // >>rust/kernel/answer.rs", 1, "not run"),
    ("rust_one-dead", "echo DEAD >status", 1, "not run"),
    ("rust_one-vanishes", "rm suites/rust_one", 1, "not run"),
    ("rust_one-hangs", "echo HANG >status", 1, "hung"),
    ("rust_one-broken", "sed -i 's/cat warn/false/' Makefile", 1, "does not build"),
])
def test_mutation(toy, mutations, name, change, status, says):
    for file, old, new in (("ci/mutations/mutations.py", "TIMEOUT = 180", "TIMEOUT = 3"), ("scripts/mutate", "TIMEOUT=180", "TIMEOUT=3")):
        if (toy.repo / file).exists():
            edit(toy.repo / file, old, new)
    mutation(toy, name, ".", change)
    mutations(status, [says, "1 passed, 0 failed" if status == 0 else "0 passed, 1 failed"], name)


def test_mutation_that_does_not_apply(toy, mutations):
    mutation(toy, "rust_one-x", ".", "echo FAIL >status")
    edit(toy.repo / "ci/mutations/rust_one-x.patch", "-PASS", "-OTHER")
    mutations(1, "does not apply", "rust_one-x")
    mutations(2, "no mutation 'nonsense'", "nonsense")
