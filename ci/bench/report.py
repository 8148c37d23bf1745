# SPDX-License-Identifier: GPL-2.0
"""Run what scripts/bench has built, and say what an operation costs.

Usage: ci/bench/report.py [--write] --logs FOLDER FLAVOUR:O:FOLDER...

Each guest runs twice. Exit 1 if a row is missing, if the kernel complained, or
if the runs differ by more than 1 %.
"""
import argparse
import json
import re
import subprocess
import sys

import build
import console
import env
import results
import virt

# Rows of ci/bench/: name, what it is, what is compared.
ROWS = {
    "raw_spin_lock": "`RawSpinLock`: lock, unlock",
    "raw_spin_lock_irqsave": "`RawSpinLockIrq`: lock, unlock; C: `raw_spin_lock_irqsave()`",
    "raw_spin_lock_irq_disable": "`RawSpinLockIrq`: lock, unlock; C: `raw_spin_lock_irq_disable()`",
    "lock_with": "`RawSpinLockIrq::lock_with()`, unlock; C: `raw_spin_lock()`",
    "ww_mutex": "`ww_mutex::Mutex`: lock, unlock, without context",
    "ww_mutex_ctx": "`AcquireCtx::lock()`, unlock",
    "ww_mutex_round": "`Round::lock()`, unlock; C: with a list of what is locked",
    "ww_mutex_all_2": "`LockSet`: lock 2, unlock",
    "ww_mutex_all_8": "`LockSet`: lock 8, unlock",
    "ww_mutex_all_64": "`LockSet`: lock 64, unlock",
    "ww_mutex_new_8": "`LockSet`: lock 8, unlock, with a new set each time",
    "ww_mutex_known_64": "`LockSet`: lock 64, unlock; C: an array that is known before",
    "ww_mutex_guards_8": "`LockSet`: lock 8, drop 8 guards",
    "ww_mutex_back_off": "`LockSet`: lock 2, back off once, unlock",
    "ww_mutex_back_off_8": "`LockSet`: lock 8, back off once in the middle, unlock",
    "drm_exec_2": "`LockSet`, a new one: lock 2 GEM objects; C: `drm_exec`",
    "drm_exec_8": "`LockSet`, a new one: lock 8 GEM objects; C: `drm_exec`",
    "drm_exec_64": "`LockSet`, a new one: lock 64 GEM objects; C: `drm_exec`",
    "drm_exec_back_off": "`LockSet`, a new one: lock 2 GEM objects, back off once; C: `drm_exec`",
    "gpiod_get_value": "PL061: `gpiod_get_raw_value()`",
    "gpiod_set_value": "PL061: `gpiod_set_raw_value()`",
    "gpiod_direction_input": "PL061: `gpiod_direction_input()`",
    "gpiod_direction_output": "PL061: `gpiod_direction_output_raw()`",
    "irq_to_handler": "PL061: edge of a line to handler",
    "irq_and_back": "PL061: edge of a line to end of interrupt",
}

CALIBRATION = re.compile(r"bench: calibration instructions=(\d+) ticks=(\d+)")
RESULT = re.compile(r"bench: row=(\S+) side=(c|rust) n=(\d+) ticks=(-?\d+)")


def qemu(o, folder, log):
    """Run the guest; its console goes to `log`."""
    command = [
        "setpriv", "--pdeathsig", "KILL",
        # The counter of a CPU of an older kind goes at 62.5 MHz, that of `max` at 1 GHz in
        # QEMU 10: a tick is an instruction then.
        *virt.machine("dtb-randomness=off", cpu="max,pauth-impdef=on", memory=512),
        *virt.booting(f"{o}/arch/arm64/boot/Image", f"{folder}/initramfs", f"file:{log}", "nokaslr"),
        "-icount", "shift=0,sleep=off", "-rtc", "base=2026-01-01,clock=vm",
    ]
    try:
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)
    except (OSError, subprocess.SubprocessError) as error:
        raise SystemExit(f"report.py: QEMU: {getattr(error, 'stderr', None) or error}; see {log}") from None


def read(log):
    """Return {(row, side): instructions per operation} and what is wrong."""
    with open(log, errors="replace") as lines:
        lines = lines.readlines()
    wrong = [f"{log}: {splat}" for splat in console.scan(lines)]
    text = "".join(lines)
    scales = [int(ticks) / int(instructions) for instructions, ticks in CALIBRATION.findall(text)]
    if not scales or min(scales) <= 0 or max(scales) > min(scales) * 1.001:
        return {}, [*wrong, f"{log}: the counter does not count instructions: {scales}"]
    costs = {(row, side): int(ticks) / int(n) / scales[0] for row, side, n, ticks in RESULT.findall(text)}
    wanted = {(row, side) for row in ROWS for side in ("c", "rust")}
    wrong += [f"{log}: no row {row} of {side}" for row, side in sorted(wanted - costs.keys())]
    wrong += [f"{log}: row {row} of {side} is unknown" for row, side in sorted(costs.keys() - wanted)]
    return costs, wrong


def differences(first, second):
    """Say in what two runs differ by more than 1 %."""
    for key in sorted(first.keys() & second.keys()):
        a, b = first[key], second[key]
        if abs(a - b) > 0.01 * max(abs(a), abs(b)):
            yield f"{' of '.join(key)}: {a:.2f} in one run, {b:.2f} in the other"


def text_size(path):
    """Bytes of code and constants of an object."""
    lines = subprocess.run([build.llvm("llvm-size"), path], check=True, capture_output=True, text=True).stdout
    return int(lines.splitlines()[1].split()[0])


# An abstraction is counted by the functions of these names in the kernel crate, and its helpers.
ABSTRACTIONS = {
    "raw spinlocks": r"raw_spinlock|rust_helper_raw_spin_",
    "ww_mutex": r"::ww_mutex::|rust_helper_ww_",
    "chained interrupts, irq_chip": r"kernel::irq::(chained|chip)|rust_helper_(chained_irq|irq_set_handler_locked|irq_desc_)",
    "AMBA": r"kernel::amba",
    "system sleep": r"kernel::pm\b",
    "GPIO": r"kernel::gpio",
}


def functions(path):
    """Yield (name, bytes) of the functions in an object."""
    lines = subprocess.run([build.llvm("llvm-nm"), "--demangle", "--print-size", "--defined-only", path],
                           check=True, capture_output=True, text=True).stdout
    for line in lines.splitlines():
        if found := re.match(r"[0-9a-f]+ ([0-9a-f]+) [tTwW] (.*)", line):
            yield found[2], int(found[1], 16)


def sizes(o, folder):
    """Return [(what, bytes)]."""
    result = [
        ("C driver", text_size(f"{folder}/module/gpio-pl061.o")),
        ("Rust driver", text_size(f"{folder}/module/gpio_pl061_rust.o")),
    ]
    crate = [*functions(f"{o}/rust/kernel.o"), *functions(f"{o}/rust/helpers/helpers.o")]
    for what, names in ABSTRACTIONS.items():
        result.append((what, sum(size for name, size in crate if re.search(names, name))))
    return result


def table(result):
    """Return the tables in Markdown."""
    flavours = result["flavours"]
    lines = [
        "| instructions | " + " | ".join(f"{name}: C | Rust | Rust / C" for name in flavours) + " |",
        "|---|" + "---:|---:|---:|" * len(flavours),
    ]
    for row, what in ROWS.items():
        cells = []
        for flavour in flavours.values():
            c, rust = (flavour["rows"][row][side] for side in ("c", "rust"))
            cells.append(f"{c:.1f} | {rust:.1f} | {rust / c:.2f}")
        lines.append(f"| {what} | " + " | ".join(cells) + " |")
    lines += ["", "| bytes | " + " | ".join(flavours) + " |", "|---|" + "---:|" * len(flavours)]
    for what in next(iter(flavours.values()))["bytes"]:
        lines.append(f"| {what} | " + " | ".join(str(flavour["bytes"][what]) for flavour in flavours.values()) + " |")
    return "\n".join(lines) + "\n"


def chart(result):
    """Return Rust / C of each row as an SVG."""
    colors = ("#7a9cc6", "#d08c60")
    left, scale, height, top = 430, 200, 26, 50
    ratios = [sides["rust"] / sides["c"] for flavour in result["flavours"].values() for sides in flavour["rows"].values()]
    width = left + round(max(ratios) * scale) + 40
    body = []

    def text(x, y, content, anchor="start"):
        body.append(f'<text x="{x}" y="{y}" text-anchor="{anchor}">{content}</text>')

    def bar(x, y, length, thickness, color):
        body.append(f'<rect x="{x}" y="{y}" width="{length}" height="{thickness}" fill="{color}"/>')

    text(left, 18, "Instructions of Rust / instructions of C")
    for at, flavour in enumerate(result["flavours"]):
        bar(left + 150 * at, 28, 12, 12, colors[at])
        text(left + 150 * at + 18, 39, flavour)
    for at, (row, what) in enumerate(ROWS.items()):
        y = top + at * height
        text(left - 8, y + 14, what.replace("`", ""), "end")
        for part, flavour in enumerate(result["flavours"].values()):
            ratio = flavour["rows"][row]["rust"] / flavour["rows"][row]["c"]
            bar(left, y + 11 * part, round(ratio * scale, 1), 9, colors[part])
            text(left + round(ratio * scale, 1) + 4, y + 11 * part + 9, f"{ratio:.2f}")
    bottom = top + len(ROWS) * height
    body.append(f'<path d="M{left + scale} {top - 4}V{bottom}" stroke="#333" stroke-dasharray="3 3"/>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {bottom + 10}" '
            'font-family="sans-serif" font-size="11">\n'
            f'<rect width="100%" height="100%" fill="#fff"/>\n' + "\n".join(body) + "\n</svg>\n")


def write(result, markdown):
    """Put the results where the repository keeps them."""
    env.write(f"{env.ORIGIN}/ci/bench/results.json", json.dumps(result, indent=1) + "\n")
    env.write(f"{env.ORIGIN}/ci/bench/results.svg", chart(result))
    results.in_readme("bench", markdown)


def main(words):
    parser = argparse.ArgumentParser(usage=__doc__.strip())
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--logs", required=True)
    parser.add_argument("flavours", nargs="+")
    arguments = parser.parse_args(words)

    version = subprocess.run(["qemu-system-aarch64", "--version"], check=True, capture_output=True, text=True).stdout
    result = {"qemu": version.splitlines()[0], "flavours": {}}
    wrong = []
    for flavour in arguments.flavours:
        name, o, folder = flavour.split(":")
        runs = []
        for number in (1, 2):
            log = f"{arguments.logs}/{name}.console.{number}"
            print(f"bench: {name}: run {number} of 2", file=sys.stderr)
            qemu(o, folder, log)
            costs, problems = read(log)
            wrong += problems
            runs.append(costs)
        wrong += [f"{name}: {difference}" for difference in differences(*runs)]
        with open(f"{o}/include/config/auto.conf") as config:
            compilers = re.findall(r"^CONFIG_(?:CC|RUSTC)_VERSION_TEXT=(.*)$", config.read(), re.MULTILINE)
        result["flavours"][name] = {
            "compilers": compilers,
            "rows": {row: {side: round(runs[0][row, side], 2) for side in ("c", "rust")}
                     for row in ROWS if {(row, "c"), (row, "rust")} <= runs[0].keys()},
            "bytes": dict(sizes(o, folder)),
        }
    env.write(f"{arguments.logs}/results.json", json.dumps(result, indent=1) + "\n")
    for problem in wrong:
        print(f"report.py: {problem}", file=sys.stderr)
    if wrong:
        return 1
    markdown = table(result)
    print(markdown, end="")
    env.write(f"{arguments.logs}/results.svg", chart(result))
    if arguments.write:
        write(result, markdown)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
