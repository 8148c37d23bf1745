# SPDX-License-Identifier: GPL-2.0
"""scripts/test: rows, what they count, and the reports; and the definitions for bots."""
import json
import subprocess
import time
import xml.etree.ElementTree as ET

import pytest
from conftest import REAL, TOP, program, until


def rows(toy, *lines, **programs):
    """What ci/rows says, and programs in ci/."""
    for name, text in programs.items():
        program(toy.repo / "ci" / name, text)
    (toy.repo / "ci/rows").write_text("".join(f"{line}\n" for line in lines))


def test_build_ahead_of_its_row(toy):
    program(toy.repo / "scripts/boot", """
        echo "$*" >>"$SERIES_CACHE/boots"
        case $* in
        *--build) sleep 600 & echo $! >"$SERIES_CACHE/pid"; wait ;;
        *) while [ ! -s "$SERIES_CACHE/pid" ] && grep -q build "$SERIES_CACHE/boots"; do sleep 0.1; done ;;
        esac
        echo "1 passed, 0 failed" """)
    boots = toy.cache / "boots"
    toy.expect(0, "2 passed, 0 failed", "scripts/test boot defconfig")
    assert sorted(boots.read_text().splitlines()) == ["", "--defconfig", "--defconfig --build"]
    until(lambda: not toy.running(), 10)
    boots.unlink()
    (toy.cache / "pid").unlink()
    toy.expect(0, "1 passed, 0 failed", "scripts/test defconfig")
    assert boots.read_text() == "--defconfig\n"


# The output and exit code of a row; whether it passes.
@pytest.mark.parametrize("ends, counts", [
    ("echo 3 passed, 0 failed", "3 passed, 0 failed"), ("echo 3 passed, 0 failed, 2 skipped", "3 passed, 0 failed"),
    ("echo 1 passed, 2 failed; exit 1", "1 passed, 2 failed"), ("echo 1 passed, 0 failed; exit 1", "1 passed, 1 failed"),
    ("echo 0 passed, 0 failed", "0 passed, 1 failed"), ("echo 0 passed, 0 failed, 1 skipped", "0 passed, 0 failed"), ("true", "0 passed, 1 failed"),
    ("echo 1 passed, 0 failed; echo note >&2", "1 passed, 0 failed"), ("echo 1 passed, 0 failed >&2", "0 passed, 1 failed"),
    ("echo 1 passed, 0 failed; kill -9 $$", "1 passed, 1 failed"),
])
def test_rows_are_counted(toy, ends, counts):
    rows(toy, "x default ci/x", x=ends)
    toy.expect(0 if counts.endswith(" 0 failed") else 1, f"\n{counts}\n", "scripts/test x")


def test_environment_that_is_not_fit(toy):
    """... is no finding, and what is missing is said where people look."""
    rows(toy, "x default ci/x", "y beside ci/y", "z default ci/z",
         x="echo no compiler: run scripts/setup >&2; exit 3", y="exit 2", z="echo 0 passed, 1 failed; exit 1")
    for status, names in ((3, "x"), (2, "y"), (2, "x y"), (1, "x z")):
        toy.expect(status, f"\n0 passed, {len(names.split())} failed\n", f"scripts/test {names}")
    said = toy.expect(3, "x: a tool is missing, counted nothing:\n  no compiler: run scripts/setup\n", "scripts/test x")
    assert said.count("no compiler: run scripts/setup") == 2, "live, and in the table"
    out = toy.cache / "log/test"
    assert json.loads((out / "summary.json").read_text())["failures"][0]["reason"] == ["no compiler: run scripts/setup"]
    assert "no compiler: run scripts/setup" in ET.parse(out / "summary.xml").find(".//failure").text


def test_skips_are_shown(toy):
    rows(toy, "x beside ci/x", x="echo 3 passed, 0 failed, 2 skipped; echo note >&2")
    toy.expect(0, "x                    3       0        2     0:00", "scripts/test x")
    assert json.loads((toy.cache / "log/test/summary.json").read_text())["parts"][0]["skipped"] == 2


@pytest.mark.parametrize("line", ["x default", "x nonsense ci/x"])
def test_row_that_is_none(toy, line):
    rows(toy, "# comment", line)
    assert "Traceback" not in toy.expect(2, "ci/rows:2", "scripts/test --list")


def test_reports(toy):
    """Where they are, and whatever a row prints."""
    rows(toy, "x default ci/x", "y default ci/y @.json", y='echo 1 >"$1"; echo 1 passed, 0 failed',
         x=r"""printf 'FAIL \033[1m \000\001 <a> & "b" ]]> \377\n0 passed, 1 failed\n'; exit 1""")
    toy.expect(1, "1 passed, 1 failed", "scripts/test")
    out = toy.cache / "log/test"
    assert [part["failed"] for part in json.loads((out / "summary.json").read_text())["parts"]] == [1, 0]
    assert ET.parse(out / "summary.xml").find(".//failure") is not None
    assert (out / "y.json").exists()


def test_two_states_have_two_folders(toy):
    """The results of another state stay."""
    toy.expect(0, "0 failed", "scripts/test check")
    first = (toy.cache / "log/test").resolve()
    (toy.repo / "README.md").write_text("Other\n\n<!-- patches -->\n<!-- /patches -->\n")
    toy.expect(1, "1 failed", "scripts/test check")
    assert "0 failed" in (first / "check.log").read_text()


def test_one_state_for_all_rows(toy):
    """What is edited while rows run is not tested by half of them."""
    rows(toy, "x default ci/x", "check default scripts/check",
         x='touch "$SERIES_CACHE/now"; until [ -e "$SERIES_CACHE/go" ]; do sleep 0.1; done; echo 1 passed, 0 failed')
    run = toy.begin("scripts/test")
    toy.sh(toy.repo, "rm patches/0002-*; echo nonsense >scripts/check; echo >ci/rows")
    toy.go_on(run)


def test_killed_and_started_again(toy):
    for command in ("tree", "check", "kunit tip"):
        for delay in (0.1, 0.6):
            run = toy.start(f"scripts/{command}")
            time.sleep(delay)
            toy.sh(toy.root, f"kill -9 -- -{run.pid} || :")
            run.wait()
    until(lambda: not toy.running(), 10)
    toy.expect(0, "4 commits", "scripts/tree")
    toy.expect(0, "0 failed", "scripts/check")
    toy.expect(0, "3 passed, 0 failed", "scripts/kunit")
    toy.expect(0, "no difference", "scripts/refresh --check")


# --- bots --------------------------------------------------------------------

# A fault in a file, by sed, and what is said of it.
FAULTS = [
    ("no fragment series-nonsense", "ci/bots/kernelci.yaml", "s/- series-pl061$/- series-nonsense/"),
    ("no rootfs_ref", "ci/bots/kernelci.yaml", "/rootfs_ref/d"),
    ("no url", "ci/bots/lkp", "/^url/d"),
    ("nonsense", "ci/bots/lkp", "s/^branch_denylist/nonsense/"),
    ("no kcidb_test_suite", "ci/bots/kernelci.yaml", "/kcidb_test_suite/d"),
    ("no job nonsense", "ci/bots/kernelci.yaml", "/^scheduler:/,$s/- job: .*/- job: nonsense/"),
    ("no tree nonsense", "ci/bots/kernelci.yaml", "s/tree: rust-locks-gpio/tree: nonsense/"),
    ("libgpiode", "ci/bots/tuxsuite.yaml", "s/libgpiod/libgpiode/"),
    ("UnsupportedToolchain", "ci/bots/tuxsuite.yaml", "s/rustclang/nonsense/"),
    ("Unknown device", "ci/bots/tuxsuite.yaml", "s/qemu-arm64/nonsense/"),
    ("-q '*' gpio_pl061_rust", "ci/bots/tuxsuite.yaml", r"s/\[grep, -q,/[grep, -q, '*',/"),
    ("ParserError", "ci/bots/tuxsuite.yaml", r"""s|\[grep, -q.*|['grep \"RUST=y\"', 'ls']|"""),
    ("InvalidConfiguration", "ci/bots/tuxsuite.yaml", "s/^jobs:/jobs: ]/"),
    ("is not valid under any of the given schemas", ".github/workflows/test.yml", "s/runs-on:/runs-no:/"),
    ("'perhaps' is not one of", ".gitlab-ci.yml", "s/^  image: debian:12/  when: perhaps/"),
]


@pytest.fixture(scope="module")
def definitions(tmp_path_factory):
    if not (TOP / ".gitlab-ci.yml").exists():
        pytest.skip("needs the repository itself")
    folder = tmp_path_factory.mktemp("bots")
    names = ("ci", "kconfig-fragments", ".github", ".gitlab-ci.yml", "series")
    subprocess.run(["cp", "-a", *(TOP / name for name in names), folder], check=True)
    return folder


def check_definitions(toy, folder, status, says):
    toy.need("venv/bin/check-jsonschema")
    venv, schema = f"{REAL}/venv/bin", "check-jsonschema --builtin-schema vendor"
    toy.expect(status, says, ["sh", "-c", f"""
        {venv}/python -B {folder}/ci/bots/validate.py {folder} &&
        {venv}/{schema}.github-workflows {folder}/.github/workflows/test.yml &&
        {venv}/{schema}.gitlab-ci --data-transform gitlab-ci {folder}/.gitlab-ci.yml"""],
        PATH=f"/usr/lib/llvm-19/bin:{toy.env['PATH']}")


def test_definitions_for_bots(toy, definitions):
    check_definitions(toy, definitions, 0, "definitions: no fault")


@pytest.mark.parametrize("says, file, fault", FAULTS)
def test_faults_in_definitions(toy, definitions, says, file, fault):
    path = definitions / file
    plain = path.read_text()
    toy.sh(definitions, f"sed -i \"{fault}\" {file}" if "'" in fault else f"sed -i '{fault}' {file}")
    try:
        assert path.read_text() != plain, "changes nothing"
        check_definitions(toy, definitions, 1, says)
    finally:
        path.write_text(plain)
