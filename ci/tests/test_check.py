# SPDX-License-Identifier: GPL-2.0
"""scripts/check: what can be told without a build."""
import json
import os
import re
import shutil

import pytest
from conftest import ANSWER, edit, untouched

FIRST, SECOND, THIRD = ("patches/0001-rust-Mend-the-answer.patch", "patches/0002-MAINTAINERS-Add-gamma.patch",
                        "patches/0003-rust-Add-a-suite.patch")


# A shell command that spoils the repository, and the answer of the gate.
@pytest.mark.parametrize("fault, says", [
    (f"rm {SECOND}", "series names 0002-MAINTAINERS-Add-gamma.patch, which is not in patches/"),
    (f"cp {SECOND} patches/0009-stray.patch", "patches/0009-stray.patch is not in series"),
    (f"sed -i 's/^@@ -1,5 +1,5 @@.*/@@ -1,5 +1,5 @@ by hand/; s/^Because/Since/' {FIRST}", FIRST),
    (f"sed -i 's/^Because\\.$/&  /' {FIRST}", FIRST),
    (f"sed -i 's/^Assisted-by: LLM$/&\\nSigned-off-by: A <a@example.org>/' {THIRD}", "0003-rust-Add-a-suite.patch: has a Signed-off-by"),
    (f"sed -i 's/^From: .* <.*>$/From: series <series@localhost>/' {THIRD}", "0003-rust-Add-a-suite.patch: has no author"),
    (f"sed -i '/^Assisted-by: LLM$/d' {THIRD}", "0003-rust-Add-a-suite.patch: no 'Assisted-by: LLM'"),
    ("rm patches/toy.cover", "topic toy has no patches/toy.cover"),
    ("echo >>MAINTAINERS.snippet", "MAINTAINERS.snippet"),
    (f"sed -i 's/$/\\r/' {FIRST}", FIRST),
    (f"sed -i 's/Because/Becuase/' {FIRST}", "Becuase ==> Because"),
    ("sed -i 's/^MAX_MESSAGE_LINES=.*/MAX_MESSAGE_LINES=0/' ci/series.conf",
     ["1 failed", "0001-rust-Mend-the-answer.patch: 1 lines of text; 0 are the limit", "0002-"]),
    ("sed -i 's/^MAX_COVER_LINES=.*/MAX_COVER_LINES=3/' ci/series.conf", "toy.cover: 4 lines of text; 3 are the limit"),
    # A hunk that becomes part of patch 1.
    ("patch: touch rust/kernel/orphan.rs", "rust/kernel/orphan.rs: no entry in MAINTAINERS"),
    ("patch: sed -i '1i #include \"zebra.c\"' rust/helpers/helpers.c", "zebra comes before mutex"),
    ("patch: sed -i 's/^    42/  42/' rust/kernel/answer.rs", "FAIL  rustfmt"),
])
def test_faults(toy, fault, says):
    for sign, tool in (("Becuase", "codespell"), ("42", "rustfmt")):
        if sign in fault and not shutil.which(tool):
            pytest.skip(f"needs {tool}")
    if fault.startswith("patch: "):
        toy.patch(1, fault.removeprefix("patch: "))
    else:
        toy.sh(toy.repo, fault)
    with untouched(toy.repo):
        toy.expect(1, says, "scripts/check")


def test_topic_that_leans_on_another(toy):
    toy.expect(0, "", "scripts/tree")
    edit(toy.tree / ANSWER, "42", "43")
    toy.commit(toy.tree, "rust: Mend it again")
    toy.expect(0, "wrote", "scripts/refresh")
    toy.sh(toy.repo, "cp patches/toy.cover patches/two.cover; sed -i 's/^0004/# TOPIC two\\n&/' series")
    toy.expect(1, "topic two: 0004-rust-Mend-it-again.patch does not apply without topics", "scripts/check")


def test_mutation_of_another_series(toy):
    toy.sh(toy.kernel, f"git diff work~3 work~2 >{toy.repo}/ci/mutations/rust_one-x.patch")
    toy.expect(1, ["ci/mutations/rust_one-x.patch does not apply", "13 passed, 1 failed"], "scripts/check")


def test_missing_patch_stops_others(toy):
    toy.sh(toy.repo, f"rm {SECOND}")
    toy.expect(1, "series names 0002", "scripts/tree")
    toy.expect(1, "series names 0002", "scripts/kunit")


def test_commits_that_a_shallow_clone_lacks(toy):
    """checkpatch would take any Fixes tag for a mistake."""
    toy.base("echo 'print \"run with @ARGV\\n\"; exit 1' >scripts/checkpatch.pl")
    assert "UNKNOWN_COMMIT_ID" not in toy.expect(1, "run with", "scripts/check", KDIR=os.path.relpath(toy.kernel, toy.repo))
    toy.sh(toy.root, f"git clone -q --depth 1 --branch v7.3 file://{toy.kernel} shallow")
    assert "UNKNOWN_COMMIT_ID" in toy.expect(1, "run with", "scripts/check", KDIR=toy.root / "shallow")


def test_cached_verdicts_of_checkpatch(toy):
    """Whatever checkpatch reads makes it run again."""
    runs = toy.cache / "runs"
    toy.base("echo 'open(F, \">>$ENV{SERIES_CACHE}/runs\"); print F 1;' >scripts/checkpatch.pl")
    toy.expect(0, "0 failed", "scripts/check")
    toy.expect(0, "0 failed", "scripts/check")
    assert runs.read_text() == "111"
    for number, file in enumerate(("scripts/const_structs.checkpatch", "scripts/spdxcheck.py", ".checkpatch.conf"), 2):
        toy.base(f"echo '# x' >>{file}")
        toy.expect(0, "0 failed", "scripts/check")
        assert runs.read_text() == "111" * number, file


def test_base_with_other_files(toy):
    """A maintainer's branch, to which every patch applies."""
    toy.sh(toy.kernel, """
        git checkout -q --detach v7.3
        sed -i 's/^BETA/ANOTHER\\nM:\\tC <c@example.org>\\nF:\\tc\\/\\n\\n&/; s/^M:\\tB.*/&\\nM:\\tD <d@example.org>/' MAINTAINERS
        sed -i 's|^pub fn|/// Says it.\\npub fn|' rust/kernel/answer.rs
        git commit -q -a -m other; git tag -a -m x v7.3.4; git checkout -q main""")
    toy.expect(0, "0 failed", "scripts/check", BASE="v7.3.4")
    # git has to make the same of them on any base.
    toy.sh(toy.repo, f"sed -i 's/^Because\\.$/&  /' {FIRST}")
    toy.expect(1, FIRST, "scripts/check", BASE="v7.3.4")


def test_json_whatever_a_gate_prints(toy):
    """Control characters, quotes, tabs, bytes that are no UTF-8."""
    toy.base(r"""printf 'print "f:1: \\001\\033[1m \\t \\"quoted\\" \\\\ \\xff\\n"; exit 1;\n' >scripts/checkpatch.pl""")
    toy.expect(1, ["FAIL  checkpatch", "1 failed"], ["scripts/check", "--json", "a b.json"])
    gates = json.loads((toy.repo / "a b.json").read_text())["gates"]
    assert [gate["gate"] for gate in gates if not gate["ok"]] == ["checkpatch --strict"]


@pytest.mark.parametrize("command", ["check", "kunit", "kunit tip"])
def test_no_space(toy, command):
    toy.program("df", "echo Avail; echo 17")
    toy.expect(2, "has 17 MB free", f"scripts/{command}")


def test_disk_fills_up(toy):
    """Exit 2, at whatever step, and the next run goes on."""
    full = toy.root / "full"
    full.mkdir()
    mounted = toy.expect(0, "", ["sh", "-c", f"unshare -m mount -t tmpfs none {full} 2>&1 || :"])
    if mounted:
        pytest.skip(f"cannot mount: {mounted}")
    toy.program("df", "echo Avail; echo 9999")
    for kilobytes in (64, 400, 900):
        for command in ("check", "kunit tip", "refresh --check", "tree"):
            said = toy.expect(0, "", ["unshare", "-m", "sh", "-c", f"""
                mount -t tmpfs -o size={kilobytes}k none {full}; mkdir {full}/c
                SERIES_CACHE={full}/c scripts/{command} || echo "exit $?" """])
            assert re.findall(r"^exit (.*)$", said, re.M) in ([], ["2"]), said
