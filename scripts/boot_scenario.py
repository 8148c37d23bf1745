#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Drive a PL061 driver from inside and outside the guest; print TAP.

Usage: scripts/boot_scenario.py KERNEL INITRAMFS LOGS

Called by scripts/boot. LOGS gets the console, the trace of the PL061's
registers and lines, and QEMU's own messages.
"""
import re
import sys

from qemu.qmp import QMPError

from console import scan
from guest import Guest, GuestError

LABEL = "9030000.pl061"
KEY = 3                                 # line of the power key
FREE = [0, 1, 2, 4, 5, 6, 7]
DATA, DIR, IE = 0x000, 0x400, 0x410     # registers
DRIVER = "/sys/bus/amba/drivers/pl061_gpio"


class Tap:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, ok, seen=""):
        number = self.passed + self.failed + 1
        print(f"{'ok' if ok else 'not ok'} {number} - {name}", flush=True)
        if ok:
            self.passed += 1
        else:
            self.failed += 1
            for line in str(seen).splitlines():
                print(f"# {line}")
        return ok


def masked(lines):
    """Offset of the data port that shows these lines only."""
    return DATA + (sum(1 << n for n in lines) << 2)


def start_mon(guest, name, options, line):
    """Start gpiomon in the background and wait until it holds the line."""
    guest.run(f"gpiomon -c 0 {options} --format='%E %o' {line} >/tmp/{name} 2>/tmp/{name}.err & "
              f"echo $! >/tmp/{name}.pid")
    return guest.until(f"gpioinfo -c 0 {line}", 'consumer="?gpiomon"?')


def events(guest, name, count):
    return guest.until(f"cat /tmp/{name}", r"(\w+ \d+\s*){%d}" % count)[1].split("\n")


def identity(guest, tap):
    _, seen = guest.run("gpiodetect")
    tap.check("gpiodetect: one chip of 8 lines", seen == f"gpiochip0 [{LABEL}] (8 lines)", seen)
    _, seen = guest.run("gpioinfo -c 0")
    lines = re.findall(r"line\s+(\d+):\s+(.*)", seen)
    tap.check("gpioinfo: 8 lines", [int(n) for n, _ in lines] == list(range(8)), seen)
    tap.check("gpioinfo: only the power key is in use",
              [int(n) for n, text in lines if "consumer" in text] == [KEY]
              and "GPIO Key Poweroff" in seen, seen)
    tap.check("gpioinfo: all lines are inputs", len(re.findall(r"\binput\b", seen)) == 8, seen)
    status, seen = guest.run(f"gpioget -c 0 {KEY}")
    tap.check("gpioget: the power key's line is busy", status != 0 and "busy" in seen, seen)
    _, seen = guest.run("cat /proc/interrupts")
    tap.check("/proc/interrupts names chip and user",
              re.search(rf"{LABEL}\s+{KEY}\s+Edge\s+GPIO Key Poweroff", seen), seen)
    _, seen = guest.run("cat /sys/kernel/debug/gpio")
    tap.check("debugfs shows the chip and its parent",
              re.search(rf"gpiochip0: .*8 GPIOs, parent: amba/{LABEL}, {LABEL}", seen), seen)


def inputs(guest, tap):
    for line in FREE:
        seen = []
        for level in (1, 0, 1, 0):
            guest.drive(line, level)
            seen.append(guest.run(f"gpioget -c 0 --numeric {line}"))
        tap.check(f"gpioget sees line {line} driven from outside",
                  seen == [(0, "1"), (0, "0"), (0, "1"), (0, "0")], seen)
    for line in FREE:
        guest.drive(line, line & 1)
    _, seen = guest.run("gpioget -c 0 --numeric " + " ".join(map(str, FREE)))
    tap.check("gpioget reads several lines at once", seen == " ".join(str(n & 1) for n in FREE), seen)
    for line in FREE:
        guest.drive(line, 0)


def outputs(guest, tap):
    for line in FREE:
        seen = []
        for level in (1, 0, 1):
            guest.run(f"gpioset -c 0 --daemonize {line}={level}")
            seen.append((guest.register(masked([line])) == level << line,
                         bool(guest.register(DIR) & 1 << line),
                         guest.outputs().get(line) == level))
            guest.run("killall gpioset")
            guest.until("pidof gpioset || echo gone", "gone")
        tap.check(f"gpioset drives line {line}", seen == [(True, True, True)] * 3, seen)
        guest.run(f"gpioget -c 0 {line}")
        tap.check(f"line {line} is an input again", not guest.register(DIR) & 1 << line)


def edges(guest, tap):
    scenarios = [("rising", "-e rising", ["rising"] * 2),
                 ("falling", "-e falling", ["falling"] * 2),
                 ("both", "-e both", ["rising", "falling"] * 2)]
    for line in FREE:
        for name, options, expected in scenarios:
            guest.drive(line, 0)
            held, seen = start_mon(guest, "mon", f"{options} -n {len(expected)}", line)
            if not tap.check(f"gpiomon gets line {line}, {name}", held, seen):
                continue
            # An edge is driven when the one before it has been seen.
            got = 0
            for level in (1, 0, 1, 0):
                guest.drive(line, level)
                if name in ("both", "rising" if level else "falling"):
                    got += 1
                    events(guest, "mon", got)
            seen = events(guest, "mon", len(expected))
            tap.check(f"gpiomon sees line {line}, {name}", seen == [f"{e} {line}" for e in expected], seen)
            guest.until("pidof gpiomon || echo gone", "gone")
            tap.check(f"interrupt of line {line} is off again", not guest.register(IE) & 1 << line)


def power_key(guest, tap, name):
    _, seen = guest.run("grep -A5 gpio-keys /proc/bus/input/devices")
    device = re.search(r"event\d+", seen)
    if not tap.check(f"{name}: the power key is an input device", device, seen):
        return
    guest.run(f"dd if=/dev/input/{device[0]} of=/tmp/key bs=24 count=4 2>/tmp/key.err & echo $! >/tmp/key.pid")
    guest.until("ls -l /proc/$(cat /tmp/key.pid)/fd", "/dev/input")
    before = interrupts(guest)
    guest.qmp.cmd("system_powerdown")
    # struct input_event: 16 bytes of time, type (1: key), code (0x74: power), value.
    keys = r"(?s) 1 74 1 0\n.* 1 74 0 0\n"
    found, seen = guest.until("hexdump -v -e '12/2 \" %x\" \"\\n\"' /tmp/key; echo", keys)
    tap.check(f"{name}: pressed and released", found, seen)
    tap.check(f"{name}: counted in /proc/interrupts", interrupts(guest) > before)


def interrupts(guest):
    """How often the power key's interrupt came, over all CPUs."""
    _, seen = guest.run("grep 'GPIO Key' /proc/interrupts")
    return sum(map(int, re.findall(r"\b\d+\b", seen.partition(":")[2].partition(LABEL)[0])))


def rebind(guest, tap):
    guest.run("gpioset -c 0 --daemonize 6=1")
    start_mon(guest, "held", "-e both", 5)
    status, seen = guest.run(f"echo {LABEL} >{DRIVER}/unbind")
    tap.check("unbind with lines held", status == 0, seen)
    _, seen = guest.run("gpiodetect")
    tap.check("the chip is gone", seen == "", seen)
    guest.drive(5, 1)
    guest.drive(5, 0)
    guest.run("killall gpioset gpiomon")
    found, seen = guest.until("pidof gpioset gpiomon || echo gone", "gone")
    tap.check("those who held lines can go", found, seen)
    status, seen = guest.run(f"echo {LABEL} >{DRIVER}/bind")
    tap.check("bind", status == 0, seen)
    _, seen = guest.run("gpiodetect")
    # Who held the old chip may have kept its number.
    chip = re.fullmatch(rf"(gpiochip\d+) \[{LABEL}\] \(8 lines\)", seen)
    if not tap.check("the chip is back", chip, seen):
        return
    guest.drive(5, 1)
    _, seen = guest.run(f"gpioget -c {chip[1]} --numeric 5")
    tap.check("its lines can be read", seen == "1", seen)
    guest.drive(5, 0)
    # The power key still holds a line of the chip that went.
    for what in ("unbind", "bind"):
        status, seen = guest.run(f"echo gpio-keys >/sys/bus/platform/drivers/gpio-keys/{what}")
        tap.check(f"{what} the power key", status == 0, seen)
    power_key(guest, tap, "after bind")


def main():
    if len(sys.argv) != 4:
        print(__doc__.strip())
        return 0 if "-h" in sys.argv else 2
    kernel, initramfs, logs = sys.argv[1:]
    tap = Tap()
    print("TAP version 13")
    try:
        guest = Guest(kernel, initramfs, logs)
        try:
            tap.check("boot to user space", True)
            identity(guest, tap)
            inputs(guest, tap)
            outputs(guest, tap)
            edges(guest, tap)
            power_key(guest, tap, "power key")
            rebind(guest, tap)
            tap.check("power off", guest.power_off())
        finally:
            guest.close()
    except GuestError as error:
        tap.check("guest", False, error)
    except (OSError, QMPError, KeyboardInterrupt) as error:
        tap.check("guest", False, f"{type(error).__name__}: {error}")
    with open(f"{logs}/console", errors="replace") as console:
        splats = scan(console)
    tap.check("no splat on the console", not splats, "\n".join(map(str, splats)))
    print(f"1..{tap.passed + tap.failed}")
    print(f"{tap.passed} passed, {tap.failed} failed")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
