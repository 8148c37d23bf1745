# SPDX-License-Identifier: GPL-2.0
"""scripts/refresh: commits and files are the same thing in two forms."""
import shutil

import pytest
from conftest import ANSWER, edit, untouched


def test_commits_come_back(toy):
    toy.expect(0, "", "scripts/tree")
    edit(toy.tree / ANSWER, "42", "43")
    toy.git(toy.tree, "commit", "-q", "-a", "--fixup", ":/Mend the answer")
    toy.expect(1, "is not squashed yet", "scripts/refresh")
    toy.squash()
    toy.expect(1, "patches/0001-rust-Mend-the-answer.patch", "scripts/refresh --check")
    toy.expect(0, "wrote   patches/0001-rust-Mend-the-answer.patch", "scripts/refresh")
    toy.expect(0, "no difference", "scripts/refresh")
    assert "\n+    43" in next(toy.patches.glob("0001-*")).read_text()
    # A commit more, then one less: files come, go and are renumbered.
    toy.comment()
    toy.expect(0, "wrote   patches/0004-rust-Add-a-comment.patch", "scripts/refresh")
    toy.git(toy.tree, "reset", "-q", "--hard", "HEAD~2")
    toy.expect(0, "removed patches/0004-rust-Add-a-comment.patch", "scripts/refresh")
    assert (toy.repo / "series").read_text().count(".patch\n") == 2
    assert "](patches/toy.cover) | `git am -3 patches/{0001..0002}-*` |  |" in (toy.repo / "README.md").read_text()


def test_round_trip_through_git_am(toy):
    toy.sh(toy.kernel, f"git checkout -q -b am v7.3; git am -q -3s {toy.patches}/*.patch")
    toy.expect(0, "no difference", f"scripts/refresh --check --tree {toy.kernel}")


def test_patches_changed_meanwhile(toy):
    toy.comment()
    notes, cover = toy.patches / "notes.txt", toy.patches / "toy.cover"
    notes.write_text("note")
    edit(cover, "A cover", "Another cover")
    toy.expect(1, "have changed since", "scripts/refresh")
    edit(cover, "Another cover", "A cover")
    notes.unlink()
    toy.expect(0, "wrote   patches/0004", "scripts/refresh")
    notes.write_text("note")
    toy.git(toy.tree, "reset", "-q", "--hard", "HEAD^")
    toy.expect(0, "removed patches/0004", "scripts/refresh --force")
    assert notes.exists()


# Text that git am takes for the end of a message, and its line.
@pytest.mark.parametrize("body", [
    "---", "--- a/file", "diff --git a/x b/x\nindex 1..2\n--- a/x\n+++ b/x", "Index: x", "diff -u x",
    "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\nFrom: A <a@example.org>\nSubject: x"])
def test_message_that_mail_cannot_carry(toy, body):
    toy.comment(f"It prints:\n\n{body}\n\nAnd more.")
    with untouched(toy.repo):
        toy.expect(1, ["rust: Add a comment", body.split("\n", maxsplit=1)[0]], "scripts/refresh")


@pytest.mark.parametrize("body", [" ---\n diff --git a/x b/x", "--", "From: here to there", "From here", "----", ">From x", "\tTab"])
def test_message_that_survives(toy, body):
    toy.comment(f"It prints:\n\n{body}\n\nAnd more.")
    was = toy.git(toy.tree, "show", "-s", "--format=%B")
    toy.expect(0, "wrote   patches/0004", "scripts/refresh")
    toy.expect(0, "5 commits", "scripts/tree")
    assert toy.git(toy.tree, "show", "-s", "--format=%B") == was


def test_tab_in_a_subject(toy):
    """git am makes a blank of it."""
    toy.comment(subject="rust: Add a\tcomment")
    toy.expect(1, "tab", "scripts/refresh")


def test_two_patches_with_one_subject(toy):
    """None of them is lost, on no way."""
    toy.comment()
    toy.comment()
    toy.expect(0, ["wrote   patches/0004-rust-Add-a-comment.patch", "wrote   patches/0005-rust-Add-a-comment.patch"], "scripts/refresh")
    toy.expect(0, "6 commits", "scripts/tree")
    toy.expect(0, "no difference", "scripts/refresh")
    toy.expect(0, "2 patches are left", "scripts/tree --upto 3")
    toy.expect(0, "6 commits", "scripts/tree --continue")
    toy.expect(0, "no difference", "scripts/refresh")
    toy.expect(0, "0 failed", "scripts/check")


def test_end_while_files_are_put_in_place(toy):
    """It can be run again, unless somebody else wrote meanwhile."""
    mine = toy.repo / "README.md.new"
    mine.write_text("mine")
    toy.comment()
    toy.program("mv", f"""for to; do :; done; case $to in */repo/series) rm {toy.root}/bin/mv; exit 1 ;; esac; exec /bin/mv "$@" """)
    toy.expect(2, ["wrote   patches/0004", "run this again"], "scripts/refresh")
    cover = toy.patches / "toy.cover"
    edit(cover, "A cover", "Another cover")
    toy.expect(1, "have changed since", "scripts/refresh")
    edit(cover, "Another cover", "A cover")
    toy.expect(0, "wrote   series", "scripts/refresh")
    toy.expect(0, "no difference", "scripts/refresh --check")
    edit(cover, "A cover", "Another cover")
    toy.expect(1, "have changed since", "scripts/refresh")
    assert mine.read_text() == "mine" and not list(toy.repo.glob(".refresh.*"))


@pytest.mark.parametrize("tool, what", [
    ("mktemp", "mail"), ("mktemp", "refresh"), ("cp", "refresh"), ("mktemp", "gone")])
def test_no_room_for_temporary_files(toy, tool, what):
    """Which is no finding, and nothing is left of them."""
    toy.comment()
    if what == "gone":
        toy.expect(0, "0 failed", "scripts/check")
        (toy.cache / "gates/Makefile").unlink()
    toy.program(tool, f"""case "$*" in */{what}.*|*/.{what}.*) exit 1 ;; esac; exec /bin/{tool} "$@" """)
    with untouched(toy.repo):
        toy.expect(2, "cannot write", "scripts/check" if what == "gone" else "scripts/refresh")
    assert not list(toy.repo.glob(".refresh.*"))


def test_options_for_bots(toy):
    """Lists, and arguments of kunit.py, follow the fragments; check says where they do not."""
    bots = toy.repo / "ci/bots"
    shutil.rmtree(bots)
    bots.mkdir()
    (bots / "a.yaml").write_text("a:\n  - defconfig\n  # options of kunit pl061\n  - 'CONFIG_OLD=y'\nb:\n  # --kconfig_add of kunit\n"
                                 "  args: '--arch=arm64 --kconfig_add=CONFIG_OLD=y'\nc:\n  - kept\n")
    (toy.repo / "kconfig-fragments/kunit.config").write_text('# CONFIG: a comment\nCONFIG_A="x y"\n# CONFIG_B is not set\n')
    said = toy.expect(1, "FAIL  patches, series", "scripts/check")
    assert "ci/bots/a.yaml" in said
    toy.expect(0, "", "scripts/tree")
    toy.expect(0, "wrote   ci/bots/a.yaml", "scripts/refresh")
    assert (bots / "a.yaml").read_text() == (
        "a:\n  - defconfig\n  # options of kunit pl061\n  - 'CONFIG_A=\"x y\"'\n  - '# CONFIG_B is not set'\n  - 'CONFIG_TOY_PL061=y'\nb:\n"
        "  # --kconfig_add of kunit\n  args: '--arch=arm64 --kconfig_add=CONFIG_A=\"x y\" --kconfig_add=CONFIG_B=n'\nc:\n  - kept\n")
    toy.expect(0, "0 failed", "scripts/check")
    edit(bots / "a.yaml", "kunit pl061", "kunit nonsense")
    toy.expect(1, "there is no kconfig-fragments/nonsense.config", "scripts/refresh")
