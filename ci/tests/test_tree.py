# SPDX-License-Identifier: GPL-2.0
"""scripts/tree, and what all commands have in common."""
import pytest
from conftest import ANSWER, COMMANDS, TOP, edit, put, untouched


def test_layout():
    """scripts/ knows no series; a command is in scripts/, and nothing else is."""
    assert {f.name for f in (TOP / "scripts").iterdir()} - {"__pycache__"} == {*COMMANDS, "lib", "guest"}
    for file in (TOP / "scripts").rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            text = file.read_text().lower()
            assert not any(word in text for word in ("pl061", "ww_mutex", "raw_spinlock")), file


@pytest.mark.parametrize("command, says", [
    ("scripts/tree --topic nonsense", "no topic 'nonsense'; there are: toy"),
    ("scripts/tree --base nonsense", "no commit 'nonsense'"), ("scripts/tree --upto", "--upto needs a value"),
    ("scripts/tree --upto x", "--upto needs a number"), ("scripts/tree --base x --continue", "--continue goes alone"),
    ("env KDIR=/nonexistent scripts/tree", "/nonexistent (KDIR, or --tree) is n"),
    ("scripts/refresh --check more", "unknown argument 'more'"), ("scripts/check '--json x'", "argument '--json x'"),
    ("scripts/check --json /nonexistent/json", "cannot write /nonexistent/json"),
    ("scripts/kunit --json /nonexistent/json", "/nonexistent/json"), ("env JOBS=many scripts/kunit", "JOBS"),
    ("scripts/kunit 7", "patches 1 to 3"), ("scripts/kunit 2..1", ""),
    ("scripts/kunit --fre tip", "unrecognized arguments: --fre"),
    ("scripts/kunit --flavour nonsense", "no flavour 'nonsense'"),
    ("scripts/kunit --flavour pl061 tip", "no flavour 'pl061'; there are lockdep"),
    ("scripts/test nonsense", "no row 'nonsense'"), ("scripts/test --all rt", "rows, --all or --failed"),
    ("scripts/send", "which topic? There are: toy"), ("scripts/send nonsense", "no topic 'nonsense'; there are: toy"),
    ("scripts/send toy toy", "one topic at a time"), ("scripts/send toy -o README.md", "is not a folder"),
    ("env -u KDIR scripts/send toy", "name it with --tree"),
    ("scripts/bench nonsense", "bench: unknown name 'nonsense': --write is all that it takes\n"),
    ("ci/lint/run nonsense", "unknown argument 'nonsense'"),
    ("ci/mutations/run nonsense", "mutations: no mutation 'nonsense' in ci/mutations/\n"),
    ("ci/compile-fail/run nonsense", "compile-fail: no snippet 'nonsense' in ci/compile-fail/\n")])
def test_wrong_arguments(toy, command, says):
    """A line, and after a wrong usage where more is said."""
    said = toy.expect(2, says, command)
    assert len(said.splitlines()) == 1 + ("Try '" in said), said


def test_patch_that_does_not_apply(toy):
    toy.base(f"sed -i 's/ 41$/ 40/' {ANSWER}")
    with untouched(toy.repo):
        toy.expect(1, "0001-rust-Mend-the-answer.patch does not apply", "scripts/check")
        toy.expect(1, "0001-rust-Mend-the-answer.patch does not apply", "scripts/kunit")
        toy.expect(1, [f"conflict in {ANSWER}", "git am --continue"], "scripts/tree")
    # ... and going on works.
    toy.expect(1, "still going on", "scripts/tree --continue")
    (toy.tree / ANSWER).write_text("// SPDX-License-Identifier: GPL-2.0\n\npub fn answer() -> u32 {\n    42\n}\n")
    toy.sh(toy.tree, "git add -A; git am --continue")
    toy.expect(0, "4 commits", "scripts/tree --continue")
    toy.expect(0, "wrote   patches/0001-rust-Mend-the-answer.patch", "scripts/refresh")
    toy.expect(0, "0 failed", "scripts/check")


def test_patch_that_is_in_the_base_already(toy):
    # ... among other lines, and in other words.
    toy.sh(toy.kernel, "printf '\\nGAMMA\\nM:\\tC <c@example.org>\\nS:\\tMaintained\\nF:\\tc/\\n' >>MAINTAINERS;"
                       "git commit -q -a -m other; git tag -a -m x v7.4")
    head = toy.git(toy.kernel, "rev-parse", "--short=12", "HEAD")
    toy.expect(1, [f"patches/0002-MAINTAINERS-Add-gamma.patch does not apply to {head} (other).",
                   "conflict in MAINTAINERS", "git am --skip"], "scripts/tree --base v7.4")
    # An attempt that was given up is made again.
    toy.git(toy.tree, "am", "--abort")
    toy.expect(1, "conflict in MAINTAINERS", "scripts/tree --base v7.4")
    toy.git(toy.tree, "am", "--skip")
    toy.expect(0, "patches/0002-MAINTAINERS-Add-gamma.patch is left out", "scripts/tree --continue")
    toy.expect(0, ["removed patches/0002-MAINTAINERS-Add-gamma.patch",
                   "these patches are for v7.4; '# BASE v7.3' in series stays"], "scripts/refresh")
    assert (toy.repo / "series").read_text().count(".patch\n") == 2
    toy.expect(0, "0 failed", "scripts/check", BASE="v7.4")


def test_patch_that_the_base_has_as_it_is(toy):
    toy.expect(0, "", "scripts/tree")
    toy.sh(toy.kernel, f"git fetch -q {toy.tree} HEAD && git checkout -q FETCH_HEAD~2")
    toy.expect(0, "is left out, as its base has it", "scripts/tree --base HEAD")
    for command in ("scripts/check", "scripts/kunit 1..2"):
        for _ in range(2):
            assert "is in its base already" in toy.sh(toy.repo, f"BASE=HEAD {command} 2>&1 || :"), command


def test_lines_near_a_patch_differ(toy):
    toy.sh(toy.kernel, f"sed -i 's|^// SPDX.*|&\\n// Toy|; s|^pub fn|/// Says it.\\npub fn|' {ANSWER};"
                       "sed -i 's/^List/A list/' MAINTAINERS; git commit -q -a -m other")
    toy.expect(0, "4 commits", "scripts/tree --base main")
    text = (toy.tree / ANSWER).read_text()
    assert "Says it" in text and "42" in text
    # Another history, without what git would merge with.
    other = toy.cache / "other"
    toy.sh(toy.kernel, f"git init -q {other}; git archive v7.3 | tar -x -C {other}")
    toy.sh(other, f"sed -i 's/^pub fn answer.*/fn answer() -> u64 {{/' {ANSWER}; git add -A; git commit -q -m base; git tag -a -m x v7.3")
    toy.env["KDIR"] = str(other)
    toy.expect(1, [f"patch failed: {ANSWER}:1", f"git apply --reject {toy.patches}/0001-rust-Mend-the-answer.patch"], "scripts/tree")
    edit(toy.tree / ANSWER, "41", "42")
    toy.expect(1, "has work that is not in patches/", "scripts/tree")
    toy.sh(toy.tree, "git add -A; git am --continue")
    toy.expect(0, "4 commits", "scripts/tree --continue")
    toy.expect(0, "wrote   patches/0001-rust-Mend-the-answer.patch", "scripts/refresh")
    toy.expect(0, "0 failed", "scripts/check")


def test_dirty_tree(toy):
    toy.expect(0, "", "scripts/tree")
    toy.sh(toy.tree, f"echo '// more' >>{ANSWER}")
    with untouched(toy.repo):
        toy.expect(1, "has uncommitted changes", "scripts/refresh")
        toy.expect(1, "has work that is not in patches/", "scripts/tree")
        toy.git(toy.tree, "commit", "-q", "-a", "-m", "wip")
        toy.expect(1, "has work that is not in patches/", "scripts/tree")
    assert "more" in (toy.tree / ANSWER).read_text()


def test_unfinished_tree(toy):
    toy.expect(0, "2 patches are left", "scripts/tree --upto 1")
    toy.expect(1, "is not complete", "scripts/refresh")
    # A commit of one's own in between is kept, and nothing is left out.
    toy.comment()
    toy.expect(1, "has work that is not in patches/", "scripts/tree")
    toy.expect(0, "5 commits", "scripts/tree --continue")
    toy.expect(0, "wrote   patches/0004-rust-Add-a-suite.patch", "scripts/refresh")
    toy.expect(0, "0 failed", "scripts/check")
    # An empty one is refused, and so is a part of the series.
    toy.git(toy.tree, "reset", "-q", "--hard", "refs/worktree/base")
    toy.expect(1, "there is no patch", "scripts/refresh")
    toy.git(toy.tree, "reset", "-q", "--hard", "refs/worktree/made")
    toy.expect(0, "", "scripts/tree --topic toy")
    toy.expect(1, "only topic toy", "scripts/refresh")


def test_clone_of_the_user_is_not_touched(toy):
    toy.sh(toy.kernel, "git config format.thread true; git config diff.context 5")
    before = toy.clone_state()
    toy.expect(0, "0 failed", "scripts/check")
    toy.expect(0, "", "scripts/tree")
    assert before == toy.clone_state()
    # In a hook, git names its own repository.
    toy.expect(0, "0 failed", "scripts/check", GIT_DIR=toy.kernel / ".git", GIT_INDEX_FILE=toy.kernel / ".git/index")
    assert before == toy.clone_state()


@pytest.mark.parametrize("command", ["check", "refresh --check", "tree", "kunit", "send toy --tree ../kernel", "test check", "boot", "bench",
                                     "setup --print"])
def test_folder_of_the_user_as_cache(toy, command):
    """A folder with files and without our mark is not ours, whatever the files are called."""
    theirs = toy.root / "theirs"
    for name in ("check", "refresh", "send", "venv/bin", "log/test", "results", "o/lockdep"):
        put(theirs / name / "file", "precious")
    toy.sh(toy.kernel, f"git worktree add -q --detach {theirs}/work; git worktree add -q --detach {theirs}/tree;"
                       f"git clone -q --bare . {theirs}/linux.git")
    (theirs / "work/uncommitted").write_text("precious")
    with untouched(theirs):
        toy.expect(2, ["set SERIES_CACHE"], f"scripts/{command}", SERIES_CACHE=theirs, timeout=15)


def test_new_and_empty_folders_become_caches(toy):
    (toy.root / "empty").mkdir()
    for name in ("empty", "new"):
        toy.expect(0, "4 commits", "scripts/tree", SERIES_CACHE=toy.root / name)
        toy.expect(0, "4 commits", "scripts/tree", SERIES_CACHE=toy.root / name)


def test_work_tree_of_the_user_in_our_cache(toy):
    """A linked work tree that is not of a repository of ours stays."""
    toy.git(toy.kernel, "worktree", "add", "-q", "--detach", toy.cache / "gates")
    (toy.cache / "gates/uncommitted").write_text("precious")
    toy.expect(2, "is not a work tree of ours", "scripts/check --json x")
    assert (toy.cache / "gates/uncommitted").exists()


def test_moved_cache(toy):
    """Work in the tree goes with it, whatever its name is."""
    toy.comment()
    moved = toy.root / "a&b|c\\d"
    toy.cache.rename(moved)
    toy.expect(1, "has work that is not in patches/", "scripts/tree", SERIES_CACHE=moved)
    toy.expect(0, "wrote   patches/0004-rust-Add-a-comment.patch", "scripts/refresh", SERIES_CACHE=moved)
    toy.expect(0, "5 commits", "scripts/tree", SERIES_CACHE=moved)
    toy.expect(0, "0 failed", "scripts/check", SERIES_CACHE=moved)


def test_topics_that_need_topics(toy):
    """What is needed by what is needed comes, too."""
    toy.topic("two", "toy", "42", "43")
    toy.topic("three", "two", "43", "44")
    toy.expect(0, "6 commits", "scripts/tree --topic three")


def test_commits_on_the_branch_alone(toy):
    """HEAD is not where the work is."""
    toy.comment()
    work = toy.git(toy.tree, "rev-parse", "HEAD")
    toy.git(toy.tree, "checkout", "-q", "--detach", "refs/worktree/made")
    toy.expect(1, "branch -m rust-series NAME", "scripts/tree")
    assert toy.git(toy.tree, "rev-parse", "rust-series") == work
    toy.git(toy.tree, "branch", "-m", "rust-series", "mine")
    toy.expect(0, "4 commits", "scripts/tree")
    # Work that is in patches/ does not get in the way.
    toy.git(toy.tree, "cherry-pick", work)
    toy.expect(0, "wrote", "scripts/refresh")
    toy.expect(0, "5 commits", "scripts/tree --topic toy")
    toy.expect(0, "5 commits", "scripts/tree")
    assert toy.git(toy.tree, "rev-parse", "mine") == work


def test_moved_clone(toy):
    """Commits of an author go on, or he is told which file to edit."""
    toy.comment()
    moved = toy.root / "moved"
    toy.kernel.rename(moved)
    toy.expect(2, "/objects/info/alternates", "scripts/refresh")
    toy.expect(1, "has work that is not in patches/", "scripts/tree", KDIR=moved)
    toy.expect(0, "wrote   patches/0004-rust-Add-a-comment.patch", "scripts/refresh", KDIR=moved)
    toy.expect(0, "0 failed", "scripts/check", KDIR=moved)
    assert len(list(toy.cache.glob("kdir-*"))) == 1


def test_another_clone_and_back(toy):
    """The tree of each is put aside, and comes back as it was left."""
    toy.comment()
    toy.expect(0, "wrote   patches/0004", "scripts/refresh")
    work = toy.git(toy.tree, "rev-parse", "HEAD")
    toy.sh(toy.tree, "git checkout -q --detach; git commit -q --allow-empty -m elsewhere; git checkout -q rust-series")
    log = toy.git(toy.tree, "log", "-g", "--format=%h %gs")
    other = toy.root / "other"
    toy.sh(toy.root, f"git clone -q kernel {other}")
    toy.expect(0, ["it is now", "5 commits"], "scripts/tree", KDIR=other)
    aside = next(toy.cache.glob("tree.old.*"))
    assert toy.git(aside, "rev-parse", "rust-series") == work and toy.git(aside, "log", "-g", "--format=%h %gs") == log
    # Work that is done there meanwhile is not thrown away.
    (aside / "new").touch()
    toy.expect(1, [f"and {toy.tree} again", "has work that is not in patches/"], "scripts/tree")
    (toy.tree / "new").unlink()
    assert toy.git(toy.tree, "log", "-g", "--format=%h %gs") == log and toy.git(next(toy.cache.glob("tree.old.*")), "status")
    toy.expect(0, "5 commits", "scripts/tree")


def test_two_runs_borrow_at_once(toy):
    """Neither takes away what the other makes."""
    toy.program("git", """case " $* " in
*" init "*) if mkdir "$SERIES_CACHE/first" 2>/dev/null; then /usr/bin/git "$@"; sleep 1; exit; else sleep 1; fi ;;
esac
exec /usr/bin/git "$@" """)
    toy.sh(toy.repo, "scripts/lib/glue base_repo & a=$!; sleep 0.5; scripts/lib/glue base_repo && wait $a")
    toy.expect(0, "0 failed", "scripts/check")
