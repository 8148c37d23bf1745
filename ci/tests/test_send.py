# SPDX-License-Identifier: GPL-2.0
"""scripts/send: mails that give the tree of the commits, or a refusal."""
import re
import shutil

import pytest
from conftest import ANSWER, HOSTILE, REAL, append, edit, message, program, sums

PATCH = "patches/0003-rust-Add-a-suite.patch"


@pytest.fixture(autouse=True)
def author(toy):
    toy.need("venv/bin/b4")
    toy.signed()


def mails(toy):
    return sorted((toy.root / "out").rglob("*.eml"))


def test_mails(toy):
    before = sums(toy.repo), toy.clone_state()
    out = toy.root / "out"
    toy.expect(0, ["toy: 4 mails in", str(out)], f"scripts/send toy -o {out}")
    assert before == (sums(toy.repo), toy.clone_state())
    found = mails(toy)
    text = [f.read_text() for f in found]
    mbox = next(out.rglob("toy.mbox")).read_text()
    assert len(re.findall(r"^Subject: \[PATCH [0-3]/3\] ", mbox, re.M)) == 4 == len(found)
    base = toy.git(toy.kernel, "rev-parse", "v7.3^{commit}")
    for line in ("To: B <b@example.org>", f"base-commit: {base}", "change-id: 20260101-toy-0123456789ab"):
        assert f"\n{line}\n" in text[0], text[0]
    assert "Cc: list@example.org, " in text[1]
    assert all("\nSigned-off-by: tester <tester@example.org>\n" in t for t in text[1:])
    assert not list(toy.cache.glob("send*")), "something is left behind"
    # They give the tree of the commits, whoever applies them.
    toy.git(toy.kernel, "checkout", "-q", "--detach", "v7.3")
    toy.git(toy.kernel, "am", "-q", *found[1:])
    toy.git(toy.kernel, "diff", "--exit-code", "HEAD", "signed")
    # Again to the same place.
    toy.git(toy.kernel, "checkout", "-q", "signed")
    toy.expect(0, "4 mails", f"scripts/send toy -o {out}")


def test_files_of_the_user_stay(toy):
    """A saved mail, what else is in the folder, and what was sent before."""
    out = toy.root / "out"
    out.mkdir()
    for names in (("saved.eml", "0000-old.eml", "toy.mbox"), ("notes.txt",)):
        for name in names:
            (out / name).write_text("precious")
        before = sums(out)
        assert toy.start(f"scripts/send toy -o {out}").wait() in (0, 2)
        assert before.items() <= sums(out).items(), toy.said()
    toy.expect(0, "4 mails", f"scripts/send toy -o {toy.root}/new")
    first = {name for name in sums(toy.root / "new") if name.endswith(".eml")}
    edit(toy.patches / "toy.cover", "A cover.", "Another cover.")
    toy.expect(0, "4 mails", f"scripts/send toy -o {toy.root}/new")
    assert first <= sums(toy.root / "new").keys()


def test_mails_that_do_not_give_the_same_tree(toy):
    # A b4 that damages what it writes.
    (toy.cache / "venv").unlink()
    for name in ("python3", "python"):
        (toy.cache / "venv/bin").mkdir(parents=True, exist_ok=True)
        (toy.cache / "venv/bin" / name).symlink_to(REAL / "venv/bin/python3")
    program(toy.cache / "venv/bin/b4", f""""{REAL}/venv/bin/b4" "$@" || exit
        case "$*" in *" -o "*) find "{toy.cache}" -name '0001-*.eml' -exec sed -i 's/^+    42/+    43/' {{}} + ;; esac""")
    toy.expect(2, "do not give the tree of the commits", f"scripts/send toy -o {toy.root}/out")
    assert not mails(toy)


def test_topic_that_needs_another(toy):
    toy.git(toy.kernel, "checkout", "-q", "main")
    toy.topic("two", "toy", "42", "43")
    toy.signed()
    toy.expect(0, "two: 1 mails", f"scripts/send two -o {toy.root}/out")
    text = mails(toy)[0].read_text()
    assert "\nprerequisite-change-id: 20260101-toy-0123456789ab:v1\n" in text
    for commit in toy.git(toy.kernel, "rev-list", "v7.3..signed~1").split():
        ident = toy.sh(toy.kernel, f"git show {commit} | git patch-id --stable").split()[0]
        assert f"\nprerequisite-patch-id: {ident}\n" in text, commit
    assert f"\nbase-commit: {toy.git(toy.kernel, 'rev-parse', 'v7.3^{commit}')}\n" in text
    # That has to be there whole.
    toy.signed(*(f for f in sorted(toy.patches.glob("*.patch")) if f.name[:4] != "0003"))
    toy.expect(1, PATCH, "scripts/send two")


def test_topic_alone_that_builds_on_another(toy):
    toy.topic("two", "toy", "42", "43")
    edit(toy.repo / "series", "# TOPIC two toy", "# TOPIC two")
    toy.expect(0, "", "scripts/refresh --force")
    toy.signed()
    toy.expect(1, ["FAIL  each topic applies with what it needs alone",
                   "topic two: 0004-rust-Raise-the-answer-to-43.patch does not apply without topics that it does not name"],
               "scripts/send two")


def test_base_that_is_not_upstream(toy):
    toy.expect(2, "is no commit of upstream", "scripts/send toy", UPSTREAM_ROOT=None)
    toy.sh(toy.kernel, f"git checkout -q -b own v7.3; git commit -q --allow-empty -m own; git am -q -3s {toy.patches}/*.patch")
    toy.expect(2, f"base own~3 of {toy.kernel} is in no release and no remote branch", "scripts/send toy --base own~3")
    toy.git(toy.kernel, "tag", "v7.3-own", "own~3")
    toy.expect(2, "is in no release", "scripts/send toy --base own~3")
    toy.git(toy.kernel, "update-ref", "refs/remotes/origin/master", "own~3")
    toy.expect(0, "4 mails", "scripts/send toy --base own~3")
    toy.expect(2, "no commit 'nonsense'", "scripts/send toy --base nonsense")
    toy.sh(toy.kernel, "git checkout -q main; git reset -q --hard v7.3")
    toy.expect(1, [PATCH, "no commit in v7.3..HEAD"], "scripts/send toy")
    toy.sh(toy.kernel, "git checkout -q --orphan elsewhere; git commit -q -m elsewhere")
    toy.expect(2, "is not on top of base v7.3", "scripts/send toy")


def test_sign_off(toy):
    toy.sh(toy.kernel, f"git checkout -q -B unsigned v7.3; git am -q -3 {toy.patches}/*.patch")
    toy.expect(1, ["0002-MAINTAINERS-Add-gamma.patch", "is not that of tester <tester@example.org>"], "scripts/send toy")
    # Somebody else's does not do.
    toy.sh(toy.kernel, "git checkout -q signed; git config user.email other@example.org")
    toy.expect(1, "is not that of tester <other@example.org>", "scripts/send toy")
    # The author's is missing where another one applied the patches; the cure helps.
    toy.signed()
    said = toy.expect(1, f"the author of these commits in {toy.kernel} has not signed them off", "scripts/send toy")
    toy.sh(toy.kernel, re.search(r": '(git rebase .*)' there", said)[1])
    toy.expect(0, "4 mails", "scripts/send toy")
    toy.git(toy.kernel, "config", "--unset", "user.email")
    # One of three is missing.
    toy.signed()
    toy.git(toy.kernel, "commit", "-q", "--amend", "-F", "-", text=message("rust: Add a suite"))
    assert "0002" not in toy.expect(1, "0003-rust-Add-a-suite.patch", "scripts/send toy")
    toy.sh(toy.kernel, "git config --global --unset user.email")
    toy.expect(2, "git does not know who you are", "scripts/send toy")


def test_commits_that_are_not_in_patches(toy):
    edit(toy.kernel / ANSWER, "42", "43")
    toy.git(toy.kernel, "commit", "-q", "-a", "--fixup", ":/Mend the answer")
    toy.expect(0, "", "git rebase -q -i --autosquash v7.3", cwd=toy.kernel, GIT_SEQUENCE_EDITOR=":")
    toy.expect(1, ["patches/0001-rust-Mend-the-answer.patch", f"scripts/refresh --tree {toy.kernel} --base v7.3"], "scripts/send toy")
    toy.expect(0, "wrote", f"scripts/refresh --tree {toy.kernel} --base v7.3")
    toy.expect(0, "4 mails", "scripts/send toy")
    # Another message is another patch, other lines around it are not.
    toy.signed()
    toy.git(toy.kernel, "commit", "-q", "--amend", "-F", "-",
            text=message("rust: Add a suite", "Since.") + "Signed-off-by: tester <tester@example.org>\n")
    toy.expect(1, PATCH, "scripts/send toy")
    toy.sh(toy.kernel, f"""git checkout -q main; sed -i 's|^pub fn|/// Says it.\\npub fn|' rust/kernel/answer.rs
        git commit -q -a -m 'Say it'; git tag -a -m next next-20260101; git checkout -q -b next; git am -q -3s {toy.patches}/*.patch""")
    toy.expect(0, "4 mails", "scripts/send toy --base next-20260101")


def test_base_and_clone_that_are_named(toy):
    toy.sh(toy.kernel, "git tag -a -m v7.3.9 v7.3.9 'v7.3^{commit}'; git tag -d v7.3")
    toy.expect(0, "4 mails", f"scripts/send toy --tree {toy.kernel} --base v7.3.9", KDIR=None)
    toy.expect(0, "4 mails", f"scripts/send toy --tree {toy.kernel} --base v7.3.9")


@pytest.mark.parametrize("old, new, says", [
    ("A cover.\n", "A cover.\n\nEDITME: describe\n", ["patches/toy.cover:5: ", "EDITME: describe"]),
    ("A cover.\n", "A cover.\n\nNot done yet: hardware\n", ["patches/toy.cover:5: ", "Not done yet: hardware"]),
    ("A cover.\n", "A cover.\n\nFIXME\n", ["patches/toy.cover:5: ", "FIXME"]),
    ("A cover.\n", "A cover.\n\nLimits:\n", ["patches/toy.cover:5: ", "Limits:"]),
    ("LLM", "friend", ["does not disclose"]),
    ("Not tested: hardware.\n", "", ["no paragraph that starts with 'Not tested'"]),
    ("- By an LLM, which wrote it.\n\nNot tested: hardware.", "Not tested:", ['nothing follows "Testing:"']),
])
def test_cover_with_gaps(toy, old, new, says):
    edit(toy.patches / "toy.cover", old, new)
    toy.expect(1, says, "scripts/send toy")


def test_no_cover_long_topic_failing_check(toy):
    (toy.repo / "MAINTAINERS.snippet").write_text("\n")
    toy.expect(1, ["FAIL  patches, series, covers, README, MAINTAINERS.snippet and ci/bots are canonical", "scripts/check fails"], "scripts/send toy")
    (toy.patches / "toy.cover").rename(toy.patches / "toy.away")
    toy.expect(1, "there is no patches/toy.cover", "scripts/send toy")
    for number in range(4, 17):
        shutil.copy(toy.repo / PATCH, toy.patches / f"{number:04}-more.patch")
        append(toy.repo / "series", f"{number:04}-more.patch\n")
    toy.expect(1, "topic toy has 16 patches", "scripts/send toy")


def test_usage(toy):
    toy.expect(2, "/nonexistent", "scripts/send toy --tree /nonexistent")
    (toy.cache / "venv").unlink()
    toy.expect(3, "run scripts/setup", "scripts/send toy")


def test_script_that_is_edited_while_it_runs(toy):
    """A shell reads what it has not read yet."""
    toy.git(toy.kernel, "checkout", "-q", "main")
    toy.base("""echo 'until (-e "$ENV{SERIES_CACHE}/go") { open F, ">$ENV{SERIES_CACHE}/now"; sleep 1; }' >scripts/checkpatch.pl""")
    toy.signed()
    run = toy.begin("scripts/send toy")
    with open(toy.repo / "scripts/send", "r+", encoding="utf-8") as script:
        script.write("exit 7\n" * 5000)
    toy.go_on(run)


DIFFERS = "Date:|Message-I[dD]:|In-Reply-To:|References:|X-Developer|X-Mailer:|X-B4-Tracking:"


def test_hostile_configuration(toy):
    def sent(out):
        toy.expect(0, "4 mails", f"scripts/send toy -o {out}")
        mails_ = [mail.read_text().partition("\n\n") for mail in sorted(out.rglob("*.eml"))]
        return [[*re.sub(r"\n[ \t]+", " ", head).splitlines(), *body.splitlines()] for head, _, body in mails_]
    plain = sent(toy.root / "plain")
    append(toy.root / "home/.gitconfig", HOSTILE)
    shutil.rmtree(toy.cache / "gates", ignore_errors=True)
    for was, now in zip(plain, sent(toy.root / "hostile")):
        # But for what tells one run from the other.
        assert [line for line in was if not re.match(DIFFERS, line)] == [line for line in now if not re.match(DIFFERS, line)]
