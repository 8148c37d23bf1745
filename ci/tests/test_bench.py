# SPDX-License-Identifier: GPL-2.0
"""scripts/bench: what is made of the figures of two runs. A machine that says what the test wants."""
from conftest import append, untouched


def test_judges(toy):
    toy.program("qemu-system-aarch64", f"""case $1 in --version) echo QEMU toy; exit 0 ;; esac
while [ "$1" != -serial ]; do shift; done
cp "{toy.repo}/console.${{2##*.}}" "${{2#file:}}" """)
    for llvm, text in (("llvm-size", "printf 'text data\\n123 4\\n'"), ("llvm-nm", "echo 0000 0010 T rust_helper_ww_toy")):
        toy.program(f"{llvm}-toy", text)
    toy.sh(toy.repo, "mkdir -p o/include/config o/rust/helpers g/module; : >o/include/config/auto.conf; mkdir -p ci/bench")
    append(toy.repo / "README.md", "<!-- bench -->\n<!-- /bench -->\n")
    names = toy.python(0, "", "-c", "import report; print(*report.ROWS)").split()
    first, second = toy.repo / "console.1", toy.repo / "console.2"

    def console(cost, more=""):
        """What Rust costs in the last row."""
        lines = ["calibration instructions=200000 ticks=12500"]
        for row in names:
            lines += [f"row={row} side=c n=1000 ticks=5000", f"row={row} side=rust n=1000 ticks={cost if row == names[-1] else 5000}"]
        return "".join(f"[    1.000000] bench: {line}\n" for line in lines) + more

    def bench(status, says, *words):
        return toy.python(status, says, "ci/bench/report.py", *words, "--logs", toy.repo, f"toy:{toy.repo}/o:{toy.repo}/g", LLVM="-toy")
    first.write_text(console(6250))
    second.write_text(console(6250))
    with untouched(toy.repo):
        bench(0, ["| 80.0 | 100.0 | 1.25 |", "| ww_mutex | 32 |"])
        toy.sh(toy.repo, "rm -f results.json results.svg toy.console.*")
    bench(0, "", "--write")
    assert "| 80.0 | 100.0 | 1.25 |" in (toy.repo / "README.md").read_text() and "1.25" in (toy.repo / "ci/bench/results.svg").read_text()
    for text, status, says in [
            (console(6300), 0, "| 100.0 |"),
            (console(6400), 1, "100.00 in one run, 102.40 in the other"),
            (console(6250).rsplit("\n", 2)[0] + "\n", 1, f"no row {names[-1]} of rust"),
            (console(6250, "WARNING: kernel/foo.c:12 at bar\n"), 1, "WARNING: kernel/foo.c:12"),
            (console(6250, "bench: calibration instructions=200000 ticks=12600\n"), 1, "the counter does not count instructions"),
            ("", 1, "the counter does not count instructions")]:
        second.write_text(text)
        bench(status, says)
