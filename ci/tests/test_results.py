# SPDX-License-Identifier: GPL-2.0
"""What a failure looks like, in each report; and which part of a run is asked for."""
import json
import os
import pty
import re
import shlex
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from conftest import program

PATCH = "0002-MAINTAINERS-Add-gamma.patch"
VANISHED = "suite rust_two has vanished"


def rows(toy, *lines, **programs):
    for name, text in programs.items():
        program(toy.repo / "ci" / name, text)
    (toy.repo / "ci/rows").write_text("".join(f"{line}\n" for line in lines))


def summary(toy, where="test"):
    return json.loads((toy.cache / f"log/{where}/summary.json").read_text())


def patches(said):
    """Those of the table of scripts/kunit."""
    return [int(n) for n in re.findall(r"^ +(\d+)  (?:ok|FAIL)", said, re.M)]


def test_broken_patch(toy):
    """At the end, in JSON, in JUnit, in Markdown and on the page: patch, gate, reason, log, how to run it again, and what all was run with."""
    toy.patch(2, "rm suites/rust_two; printf 'KTAP version 1\\nWARNING: at <foo> & |bar|\\n' >console")
    rows(toy, "check default scripts/check --json @.json", "kunit default scripts/kunit --json @.json --junit @.xml")
    said = toy.expect(1, "\n14 passed, 2 failed\n", "scripts/test")
    out = (toy.cache / "log/test").resolve()
    log = toy.cache / "log/kunit/lockdep/0002/kunit.log"
    repeated = "scripts/kunit --flavour lockdep --fresh 2"
    again = f"KDIR={toy.kernel} {repeated}"
    texts = {"terminal": said[said.index("\nrow "):], **{name: (out / name).read_text() for name in
             ("summary.json", "summary.xml", "kunit.xml", "summary.md", "index.html")}}
    for name, text in texts.items():
        for part in (f"kunit lockdep, patch 2, {PATCH}, gate suites", VANISHED, f"log: {log}", f"again: {again}"):
            assert part.removeprefix("log: ").removeprefix("again: ") in text, (name, part)
        if name != "terminal":
            base, tip = toy.git(toy.kernel, "rev-parse", "v7.3^{commit}"), (toy.cache / "work.chain").read_text().split()[-1]
            for part in (base, tip, "clang version 19.1.7", "rustc version", "bindgen version", toy.sh(toy.root, "qemu-system-aarch64 --version").splitlines()[0], os.uname().nodename,
                         (toy.cache / "log/test").resolve().name.removeprefix("test.")):
                assert part in text, (name, part)
    assert log.exists()
    # Failed rows can be run again, and the logs of the others stay.
    toy.expect(1, VANISHED, repeated)
    page = ET.parse(out / "index.html")
    links = [Path(os.path.normpath(out / a.get("href"))) for a in page.iter("a")]
    assert [cell.text or cell[0].text for cell in page.iter("td") if cell.get("class") == "bad"] == ["2 failed", "FAIL", "FAIL", "FAIL"]
    assert len(links) > 20 and all(link.exists() for link in links), links
    assert "WARNING: at <foo> & |bar|" in "".join(page.find(".//pre[2]").itertext())
    assert not re.search(r"(src|href)=.https?:", texts["index.html"])


def test_gate_of_check(toy):
    toy.sh(toy.repo, "echo >>MAINTAINERS.snippet")
    rows(toy, "check default scripts/check --json @.json")
    toy.expect(1, "check, gate patches, series, covers, README, MAINTAINERS.snippet and ci/bots are canonical:\n  These are not", "scripts/test")
    failure, = summary(toy)["failures"]
    assert "  MAINTAINERS.snippet" in failure["reason"] and failure["again"] == f"KDIR={toy.kernel} scripts/check"
    assert "MAINTAINERS.snippet" in Path(failure["log"]).read_text()


def test_rows_that_failed(toy):
    """... run again, and those that were left; where nothing changed, the others count as they were."""
    rows(toy, "a default ci/a", "b default ci/b", "c default ci/c", a="echo 2 passed, 0 failed",
         b='[ -e "$SERIES_CACHE/ok" ] && echo 1 passed, 0 failed || { echo 0 passed, 1 failed; exit 1; }', c="echo 3 passed, 0 failed")
    toy.expect(0, "no row failed", "scripts/test --failed")
    toy.expect(1, "\n2 passed, 1 failed\n", "scripts/test -x")
    assert summary(toy)["left"] == ["c"]
    assert "=== a:" not in toy.expect(1, ["=== b: ci/b", "=== c: ci/c", "\n5 passed, 1 failed\n"], "scripts/test --failed")
    (toy.cache / "ok").touch()
    assert "=== c:" not in toy.expect(0, ["=== b: ci/b", "\n6 passed, 0 failed\n"], "scripts/test --failed")
    toy.expect(0, "no row failed", "scripts/test --failed")
    assert {part["part"] for part in summary(toy)["parts"]} == {"a", "b", "c"}


def test_patches_that_are_asked_for(toy):
    toy.topic("more", "toy", "42", "43")
    assert patches(toy.expect(0, "3 passed, 0 failed", "scripts/kunit toy")) == [0, 1, 2, 3]
    assert patches(toy.expect(0, "1 passed, 0 failed", "scripts/kunit more")) == [3, 4]
    assert patches(toy.expect(0, "2 passed, 0 failed", "scripts/kunit 3..")) == [2, 3, 4]
    toy.expect(2, "'none' is not a patch number, A..B, A.., tip or a topic", "scripts/kunit none")


def test_stop_and_go_on(toy):
    toy.patch(2, "rm suites/rust_two")
    assert patches(toy.expect(1, "1 passed, 1 failed", "scripts/kunit -x")) == [0, 1, 2]
    assert patches(toy.expect(1, "0 passed, 1 failed", "scripts/kunit --failed")) == [1, 2]
    toy.patch(2, "echo >suites/rust_two")
    toy.expect(0, "1 passed, 0 failed", "scripts/kunit --failed")
    toy.expect(0, "no patch failed in the last run of flavour lockdep", "scripts/kunit --failed")


def test_filter(toy):
    """Only these suites run, and their verdict is not taken for one of all suites."""
    with open(toy.repo / "kconfig-fragments/kunit.config", "a", encoding="utf-8") as file:
        file.write("# SUITE rust_two\nCONFIG_TOY_TWO=y\n")
    toy.expect(0, "2 passed, 0 failed", "scripts/kunit --filter rust_o* 1..2")
    assert set(summary(toy, "kunit/lockdep")["patches"][-1]["suites"]) == {"rust_one"}
    toy.expect(1, "no test ran", "scripts/kunit --filter none* 1")
    toy.expect(0, "2 passed, 0 failed", "scripts/kunit 1..2")
    assert set(summary(toy, "kunit/lockdep")["patches"][1]["suites"]) == {"rust_one", "rust_two"}


@pytest.mark.parametrize("bad", [1, 3, 5])
def test_bisect(toy, bad):
    """Of a flavour: the first patch that fails, without those that need not be tried."""
    toy.flavour("other")
    for answer in (43, 44, 45):
        toy.comment(subject=f"rust: Add comment {answer}")
    toy.expect(0, "wrote", "scripts/refresh")
    toy.patch(bad, "sed -i 's/^modules/.PHONY: x\\n&/; s/cat warn/! grep -q OTHER $(KCONFIG_CONFIG) \\&\\& cat warn/' Makefile")
    toy.expect(0, "6 passed, 0 failed", "scripts/kunit")
    said = toy.expect(1, f"the first patch that fails is {bad}, {bad:04d}-", "scripts/kunit --flavour other --bisect")
    assert len(patches(said)) < 6
    toy.expect(0, "1 passed, 0 failed", "scripts/kunit --bisect")


def test_colour(toy):
    """On a terminal, if it is wanted; nowhere else."""
    toy.patch(2, "echo FAIL >status")
    rows(toy, "x default scripts/kunit tip")

    def said(command, **env):
        terminal, end = pty.openpty()
        with subprocess.Popen(shlex.split(command), cwd=toy.repo, env=toy.env | {"TERM": "xterm"} | env, stdout=end, stderr=subprocess.DEVNULL) as run:
            os.close(end)
            text = b""
            try:
                while data := os.read(terminal, 4096):
                    text += data
            except OSError:
                pass        # (its end)
            run.wait()
        os.close(terminal)
        return text
    for command in ("scripts/check", "scripts/kunit tip", "scripts/test x"):
        assert b"\x1b[32mok" in said(command) and b"\x1b" not in said(command, NO_COLOR="1")
        assert "\x1b" not in toy.expect(0 if "check" in command else 1, "", command, TERM="xterm")
    assert b"\x1b[31mFAIL" in said("scripts/kunit tip")


def test_time_left(toy):
    """From the last run: of the rows, and of the patches that have to be built."""
    rows(toy, "a default ci/a", "b default ci/b", a="sleep 2; echo 1 passed, 0 failed", b="echo 1 passed, 0 failed")
    assert "left)" not in toy.expect(0, "=== a: ci/a\n", "scripts/test")
    toy.expect(0, "=== a: ci/a   (0:02 left)", "scripts/test")
    toy.sh(toy.repo, "scripts/kunit 1..2")
    toy.expect(0, "lockdep 2 of 3 (0:0", "scripts/kunit --fresh 1..2")
