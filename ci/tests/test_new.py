# SPDX-License-Identifier: GPL-2.0
"""scripts/refresh --new: from nothing to a green check and mails."""
import shutil

import pytest
from conftest import TOP


@pytest.fixture
def empty(toy):
    """A repository with a copy of scripts/, and commits on a branch in the kernel's."""
    toy.repo = toy.root / "new"
    toy.patches = toy.repo / "patches"
    toy.repo.mkdir()
    shutil.copytree(TOP / "scripts", toy.repo / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    toy.git(toy.repo, "init", "-q")
    toy.sh(toy.kernel, "git checkout -q -B mine v7.3; git cherry-pick work~2..work; git rebase -q --signoff v7.3")
    toy.env["UPSTREAM_ROOT"] = toy.git(toy.kernel, "rev-list", "--max-parents=0", "v7.3")
    return toy


def test_from_nothing_to_mails(empty):
    empty.expect(2, "needs --tree and --base", "scripts/refresh --new mine")
    empty.expect(2, "no name of a topic", "scripts/refresh --new 'my topic' --tree ../kernel --base v7.3")
    empty.expect(0, ["began   ci/series.conf", "wrote   patches/0001-", "wrote   patches/0002-"], "scripts/refresh --new mine --tree ../kernel --base v7.3")
    assert (empty.repo / "series").read_text() == "# BASE v7.3\n# TOPIC mine\n0001-MAINTAINERS-Add-gamma.patch\n0002-rust-Add-a-suite.patch\n"
    assert "`git am -3 patches/{0001..0002}-*`" in (empty.repo / "README.md").read_text()
    assert "GAMMA" in (empty.repo / "MAINTAINERS.snippet").read_text()
    empty.expect(2, "has a series already", "scripts/refresh --new other --tree ../kernel --base v7.3")
    # All that is left to do is said.
    said = empty.expect(1, "mine.cover is not finished", "scripts/check")
    assert said.count("FAIL") == 1
    empty.sh(empty.repo, "sed -i 's/EDITME: //; s/EDITME/by hand/' patches/mine.cover")
    empty.sh(empty.repo, "scripts/tree && scripts/refresh")
    empty.expect(0, "13 passed, 0 failed", "scripts/check")
    # (This kernel has no doctests.)
    empty.sh(empty.repo, "sed -i '/^# SUITE rust_doctests/d' kconfig-fragments/kunit.config")
    empty.expect(0, "2 passed, 0 failed", "scripts/kunit")
    empty.expect(0, "15 passed, 0 failed", "scripts/test")
    empty.expect(2, "there is nothing to boot", "scripts/boot")
    # The author's round.
    empty.comment()
    empty.expect(0, "wrote   patches/0003-rust-Add-a-comment.patch", "scripts/refresh")
    empty.need("venv/bin/b4")
    empty.signed()
    empty.expect(0, "applied, they give the same tree", "scripts/send mine")
    mail = next((empty.cache / "mail/mine-v1").glob("0000-*.eml"))
    assert "change-id: " in mail.read_text() and len(list(mail.parent.glob("*.eml"))) == 4


def test_cover_of_b4(empty):
    """The tree's own is taken, whatever topic its change-id names."""
    cover = (empty.root / "repo/patches/toy.cover").read_text()
    empty.sh(empty.kernel, "git checkout -q -B mine v7.3")
    empty.git(empty.kernel, "commit", "-q", "--allow-empty", "--cleanup=verbatim", "-F", "-", text=cover)
    empty.sh(empty.kernel, "git cherry-pick work~2..work")
    (empty.repo / "README.md").write_text("Mine\n\n<!-- patches -->\n<!-- /patches -->\n")
    empty.expect(0, "wrote   patches/mine.cover", "scripts/refresh --new mine --tree ../kernel --base v7.3")
    assert (empty.patches / "mine.cover").read_text() == cover and (empty.repo / "README.md").read_text().startswith("Mine\n")
    empty.expect(0, "13 passed, 0 failed", "scripts/check")
    empty.expect(0, "3 commits", "scripts/tree")
    empty.expect(0, "no difference", "scripts/refresh")
