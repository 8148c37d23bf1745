# SPDX-License-Identifier: GPL-2.0
"""Drive a PL061 driver from inside and outside the guest; print TAP.

Usage: ci/pl061/scenario.py DRIVER IMAGES DIFFERENCES LOGS [GUEST...]

DRIVER is "c" or "rust". IMAGES has a kernel and an initramfs for the driver
built in (builtin.kernel, builtin.initramfs) and as a module (module.kernel,
module.initramfs). DIFFERENCES says which checks a driver is known to fail, and
why. All guests, or those named, see GUESTS. Called by boot.py. LOGS gets record.json,
with what happened in each operation (see record.py), the TAP, and for each guest the
console, the trace of the PL061's registers and lines, and QEMU's own messages.
"""
import itertools
import json
import os
import re
import time
from dataclasses import dataclass, field

import env
import machine
from compare import DifferencesError, differences
from console import scan
from machine import device_tree
from record import RecordedGuest
from tap import Tap

LABEL = "9030000.pl061"
OTHER = "9010000.pl031"                 # a PrimeCell that the driver has no ID of
KEY = 3                                 # line of the power key
FREE = [0, 1, 2, 4, 5, 6, 7]
# Registers.
DATA, DIR, IS, IBE, IEV, IE, MIS, IC = 0x000, 0x400, 0x404, 0x408, 0x40c, 0x410, 0x418, 0x41c
DRIVER = "/sys/bus/amba/drivers/pl061_gpio"
DEVICES = "/sys/bus/amba/devices"
PL061 = "/pl061@9030000"
# The last thing that comes when the driver of the power key is bound; probing is deferred.
KEY_IS_BOUND = ("cat /sys/devices/platform/gpio-keys/keys", "116")
MESSAGES = f"dmesg | grep {LABEL}: | sed 's/^\\[[^]]*\\] //'"
# Lines whose interrupt gpiomon has. It holds the line some time before.
MONITORED = f"sed -n 's/.* {LABEL} *\\([0-9]*\\) .* gpiomon$/\\1 gpiomon/p' /proc/interrupts"
# Users of level interrupts: UIO's generic driver, which leaves an interrupt
# that came disabled until user space enables it.
HIGH, LOW = 4, 5
LEVELS = [("-t i", PL061, "#interrupt-cells", "2"),
          ("", PL061, "interrupt-controller"),
          ("", "/gpio-keys/poweroff", "wakeup-source")]
# And of types that mean nothing, which do not get the driver at boot.
TRIGGERS = {"high and low": (2, 12), "high and rising": (6, 5), "low and both edges": (7, 11)}
for _name, _line, _type in (("level-high", HIGH, 4), ("level-low", LOW, 8),
                            *((name.replace(" ", "-"), *what) for name, what in TRIGGERS.items())):
    _node = f"/{_name}"
    LEVELS += [("-c", _node),
               ("-t s", _node, "compatible", "series,uio" if _name.startswith("level-") else "series,trigger"),
               ("-t s", _node, "linux,uio-name", _name),
               ("-t x", _node, "interrupt-parent", f"&{PL061}"),
               ("-t i", _node, "interrupts", str(_line), str(_type))]
# A pin controller for the lines: a word of memory for each pin, of which the kernel keeps off, and
# which gets the value GPIO_FUNCTION when a line is requested.
PINS, GPIO_FUNCTION = 0x7ffff000, 5
PIN_CONTROLLER = [
    ("-c", "/reserved-memory"),
    ("-t i", "/reserved-memory", "#address-cells", "2"),
    ("-t i", "/reserved-memory", "#size-cells", "2"),
    ("", "/reserved-memory", "ranges"),
    ("-c", "/reserved-memory/pins"),
    ("-t x", "/reserved-memory/pins", "reg", "0", f"{PINS:x}", "0", "1000"),
    ("", "/reserved-memory/pins", "no-map"),
    ("-c", "/pins"),
    ("-t s", "/pins", "compatible", "pinctrl-single"),
    ("-t x", "/pins", "reg", "0", f"{PINS:x}", "0", "20"),
    ("-t i", "/pins", "#pinctrl-cells", "1"),
    ("-t i", "/pins", "pinctrl-single,register-width", "32"),
    ("-t x", "/pins", "pinctrl-single,function-mask", "ff"),
    ("-t x", "/pins", "phandle", "9001"),
    ("-c", "/pins/range"),
    ("-t i", "/pins/range", "#pinctrl-single,gpio-range-cells", "3"),
    ("-t x", "/pins/range", "phandle", "9002"),
    ("-t x", "/pins", "pinctrl-single,gpio-range", "9002", "0", "8", str(GPIO_FUNCTION))]
LEVELS += [*PIN_CONTROLLER, ("-t x", PL061, "gpio-ranges", "9001", "0", "0", "8")]
# A disk that goes with QEMU.
SWAP = ("-drive", "if=none,id=swap,driver=null-co,size=512M,read-zeroes=on,snapshot=on",
        "-device", "virtio-blk-device,drive=swap")
# The last machine whose tables of ACPI have the PL061, with the power button in its _AEI.
FIRMWARE = "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd"
ACPI = ("-M", "virt-4.1", "-bios", FIRMWARE)
ACPI_LABEL = "ARMH0061:00"
ACPI_UNMAPPED = "ARMH0061:01"
NO_INTERRUPT = [("-d", PL061, "interrupts")]
# The interrupt that the PL061 has, SPI 7, but as a rising edge.
EDGE_PARENT = [*LEVELS, ("-t i", PL061, "interrupts", "0", "7", "1")]

# Lines as boards describe them: names, one of them twice, a line that is taken at boot, lines of the firmware, pins
# with a hole. The clock is the PL061's own, so that the kernel stops it.
HOG, RESERVED, NAMES = 6, (1, 2), ("zero", "one", "", "twice", "four", "twice", "six", "seven")
DESCRIBED = [*PIN_CONTROLLER,
             ("-t x", PL061, "gpio-ranges", "9001", "0", "0", "3", "9001", "5", "5", "3"),
             ("-t s", PL061, "gpio-line-names", *NAMES),
             ("-t i", PL061, "gpio-reserved-ranges", str(RESERVED[0]), str(len(RESERVED))),
             ("-c", f"{PL061}/hog"),
             ("", f"{PL061}/hog", "gpio-hog"),
             ("-t i", f"{PL061}/hog", "gpios", str(HOG), "0"),
             ("", f"{PL061}/hog", "output-high"),
             ("-t s", f"{PL061}/hog", "line-name", "hogged"),
             ("-c", "/pclk"),
             ("-t s", "/pclk", "compatible", "fixed-clock"),
             ("-t i", "/pclk", "#clock-cells", "0"),
             ("-t i", "/pclk", "clock-frequency", "24000000"),
             ("-t s", "/pclk", "clock-output-names", "own-pclk"),
             ("-t x", "/pclk", "phandle", "9003"),
             ("-t x", PL061, "clocks", "9003")]


class DriverTap(Tap):
    def __init__(self, driver, path, log, indent=""):
        super().__init__(log, indent)
        self.driver = driver
        self.guest = ""
        self.known = {name: known["reason"] for name, known in differences(path, "check").items()
                      if known["fails"] == driver}
        self.record = {"checks": [], "guests": {}}
        self.guests = {}        # name: checks that passed, and failed

    def check(self, name, ok, seen=""):
        """One line of TAP. What the driver is known to fail has to fail."""
        name = f"{self.guest}: {name}" if self.guest else name
        number = self.passed + self.failed + 1
        self.record["checks"].append(name)
        if known := self.known.pop(name, ""):
            if not ok:
                self.say(f"not ok {number} - {name} # TODO {known}")
                self.passed += 1
                return ok
            ok, seen = False, "declared as a difference, but it passes"
        return super().check(name, ok, seen)

    def done(self):
        for name in list(self.known):
            if name.partition(":")[0] in self.guests:
                self.check(f"{name}: declared as a difference, but never checked", False)


def masked(lines):
    """Offset of the data port that shows these lines only."""
    return DATA + (sum(1 << n for n in lines) << 2)


def start_mon(guest, name, options, line):
    """Start gpiomon in the background and wait until it has the interrupt of the line.

    An edge that the line has had before would count: neither driver clears it.
    """
    guest.write(IC, 0xff)
    guest.run(f"gpiomon -c 0 {options} --format='%E %o' {line} >/tmp/{name} 2>/tmp/{name}.err & "
              f"echo $! >/tmp/{name}.pid")
    return guest.until(MONITORED, rf"(?m)^{line} gpiomon$")


def events(guest, name, count):
    return guest.until(f"cat /tmp/{name}", r"(\w+ \d+\s*){%d}" % count)[1].split("\n")


def identity(guest, tap):
    with guest.operation("what can be seen of the chip"):
        for command in ("cat /sys/kernel/debug/gpio", "grep pl061 /proc/interrupts", MESSAGES,
                        "gpioinfo -c 0", f"gpioget -c 0 {KEY}"):
            guest.run(command)
    with guest.operation("/proc/iomem"):
        guest.run("grep 9030000 /proc/iomem")
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
        with guest.operation(f"input, line {line}"):
            for level in (1, 0, 1, 0):
                guest.drive(line, level)
                seen.append(guest.run(f"gpioget -c 0 --numeric {line}"))
        tap.check(f"gpioget sees line {line} driven from outside",
                  seen == [(0, "1"), (0, "0"), (0, "1"), (0, "0")], seen)
    for line in FREE:
        guest.drive(line, line & 1)
    with guest.operation("input, several lines"):
        _, seen = guest.run("gpioget -c 0 --numeric " + " ".join(map(str, FREE)))
    tap.check("gpioget reads several lines at once", seen == " ".join(str(n & 1) for n in FREE), seen)
    for line in FREE:
        guest.drive(line, 0)


def outputs(guest, tap):
    for line in FREE:
        seen = []
        with guest.operation(f"output, line {line}"):
            for level in (1, 0, 1):
                guest.run(f"gpioset -c 0 --daemonize {line}={level}")
                seen.append((guest.register(masked([line])) == level << line,
                             bool(guest.register(DIR) & 1 << line),
                             guest.outputs().get(line) == level))
                guest.run("killall gpioset")
                guest.until("pidof gpioset || echo gone", "gone")
        tap.check(f"gpioset drives line {line}", seen == [(True, True, True)] * 3, seen)
        with guest.operation(f"set, line {line}"):
            # Output, then the other level a moment later.
            guest.run(f"gpioset -c 0 --toggle 1ms,0 {line}=1")
            level = guest.register(masked([line]))
        tap.check(f"gpioset toggles line {line}", level == 0, level)
        with guest.operation(f"output to input, line {line}"):
            guest.run(f"gpioget -c 0 --numeric {line}")
        tap.check(f"line {line} is an input again", not guest.register(DIR) & 1 << line)


def several_outputs(guest, tap):
    with guest.operation("output and set, several lines"):
        guest.run("gpioset -c 0 --toggle 1ms,0 1=1 5=0 6=1")
        seen = [guest.register(r) for r in (DIR, masked([1, 5, 6]))]
    tap.equal("gpioset toggles several lines at once", seen, [1 << 1 | 1 << 5 | 1 << 6, 1 << 5])
    guest.run("gpioget -c 0 1 5 6")


def edges(guest, tap, lines=FREE):
    scenarios = [("rising", "-e rising", ["rising"] * 2),
                 ("falling", "-e falling", ["falling"] * 2),
                 ("both", "-e both", ["rising", "falling"] * 2)]
    for line in lines:
        for name, options, expected in scenarios:
            guest.drive(line, 0)
            with guest.operation(f"type and unmask, {name}, line {line}"):
                held, seen = start_mon(guest, "mon", options, line)
            if not tap.check(f"gpiomon gets line {line}, {name}", held, seen):
                continue
            # An edge is driven when the one before it has been seen.
            got = 0
            with guest.operation(f"interrupts, {name}, line {line}"):
                for level in (1, 0, 1, 0):
                    guest.drive(line, level)
                    if name in ("both", "rising" if level else "falling"):
                        got += 1
                        events(guest, "mon", got)
            with guest.operation(f"mask, {name}, line {line}"):
                guest.run("killall gpiomon")
                guest.until("pidof gpiomon || echo gone", "gone")
            seen = events(guest, "mon", len(expected))
            tap.check(f"gpiomon sees line {line}, {name}", seen == [f"{e} {line}" for e in expected], seen)
            tap.check(f"interrupt of line {line} is off again", not guest.register(IE) & 1 << line)


def requests(guest, tap):
    """Requests that the controller cannot serve by itself: gpiolib does, or refuses."""
    for name, command, line, level, output in (
            ("open drain, high", "gpioset -c 0 --daemonize --drive open-drain 6=1", 6, 0, False),
            ("open drain, low", "gpioset -c 0 --daemonize --drive open-drain 6=0", 6, 0, True),
            ("open source, high", "gpioset -c 0 --daemonize --drive open-source 6=1", 6, 1, True),
            ("open source, low", "gpioset -c 0 --daemonize --drive open-source 6=0", 6, 1, False),
            ("pull-up", "gpioset -c 0 --daemonize --bias pull-up 6=1", 6, 1, True),
            ("bias disabled", "gpioget -c 0 --bias disabled --numeric 5", 5, 0, False)):
        with guest.operation(f"request, {name}"):
            status, seen = guest.run(command)
            direction, value = guest.register(DIR), guest.register(masked([line]))
            guest.run("killall gpioset")
            guest.until("pidof gpioset || echo gone", "gone")
        tap.check(f"request, {name}: granted", status == 0, seen)
        tap.equal(f"request, {name}: the line is an output", bool(direction & 1 << line), output)
        if output:
            tap.equal(f"request, {name}: level", value >> line, level)
    guest.drive(5, 0)
    guest.write(IC, 0xff)
    guest.run("gpiomon -c 0 -e both --debounce-period 10ms --format='%E %o' 5 >/tmp/slow 2>&1 & echo $! >/tmp/slow.pid")
    guest.until("gpioinfo -c 0 5", "debounce-period=10ms")
    # (Whether a debounced line reads its level once or twice is a matter of time.)
    for number, level in enumerate((1, 0, 1, 0), 1):
        guest.drive(5, level)
        events(guest, "slow", number)
    tap.equal("a debounced line tells each change", events(guest, "slow", 4), ["rising 5", "falling 5"] * 2)
    guest.run("killall gpiomon")
    guest.until("pidof gpiomon || echo gone", "gone")


def old_edge(guest, tap):
    """The controller latches edges of a line that nobody has requested. Both drivers treat them alike."""
    line = 2
    guest.run(f"gpiomon -c 0 -e rising --idle-timeout 1ms {line}")
    for level in (1, 0):
        guest.drive(line, level)
    with guest.operation("an edge from before the request"):
        guest.run(f"gpiomon -c 0 -e rising -n 1 --idle-timeout 2s --format='%E %o' {line}")
    guest.drive(line, 1)
    guest.drive(line, 0)
    guest.write(IC, 0xff)
    with guest.operation("an edge that has been cleared"):
        _, seen = guest.run(f"gpiomon -c 0 -e rising -n 1 --idle-timeout 100ms --format='%E %o' {line}")
    tap.equal("an edge that has been cleared does not come", seen, "")


def power_key(guest, tap, name, user="gpio-keys", interrupt="GPIO Key", label=LABEL):
    _, seen = guest.run(f"grep -A5 '{user}' /proc/bus/input/devices")
    device = re.search(r"event\d+", seen)
    if not tap.check(f"{name}: the power key is an input device", device, seen):
        return
    guest.run(f"dd if=/dev/input/{device[0]} of=/tmp/key bs=24 count=4 2>/tmp/key.err & echo $! >/tmp/key.pid")
    guest.until("ls -l /proc/$(cat /tmp/key.pid)/fd", "/dev/input")
    before = interrupts(guest, interrupt, label)
    # struct input_event: 16 bytes of time, type (1: key), code (0x74: power), value.
    keys = r"(?s) 1 74 1 0\n.* 1 74 0 0\n"
    # QEMU presses it for 100 ms, which a guest on a busy host may sleep through.
    for _ in range(3):
        guest.qmp.cmd("system_powerdown")
        found, seen = guest.until("hexdump -v -e '12/2 \" %x\" \"\\n\"' /tmp/key; echo", keys, 15)
        if found:
            break
    tap.check(f"{name}: pressed and released", found, seen)
    tap.check(f"{name}: counted in /proc/interrupts", interrupts(guest, interrupt, label) > before)


def interrupts(guest, interrupt, label):
    """How often the power key's interrupt came, over all CPUs."""
    _, seen = guest.run(f"grep '{interrupt}' /proc/interrupts")
    return sum(map(int, re.findall(r"\b\d+\b", seen.partition(":")[2].partition(label)[0])))


def rebind(guest, tap):
    guest.run("gpioset -c 0 --daemonize 6=1")
    start_mon(guest, "held", "-e both", 5)
    with guest.operation("unbind with lines held"):
        status, seen = guest.run(f"echo {LABEL} >{DRIVER}/unbind")
    tap.check("unbind with lines held", status == 0, seen)
    _, seen = guest.run("gpiodetect")
    tap.check("the chip is gone", seen == "", seen)
    with guest.operation("lines of a chip that is gone"):
        guest.drive(5, 1)
        guest.drive(5, 0)
        # (They may have gone by themselves.)
        guest.run("killall -KILL gpioset gpiomon 2>/dev/null; true")
        found, seen = guest.until("pidof gpioset gpiomon || echo gone", "gone")
    tap.check("those who held lines can go", found, seen)
    with guest.operation("bind while a line of the old chip is held"):
        status, seen = guest.run(f"echo {LABEL} >{DRIVER}/bind")
    tap.check("bind", status == 0, seen)
    _, seen = guest.run("gpiodetect")
    # A holder of the old chip may have kept its number.
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


def meanwhile(guest, act, pause, timeout=60):
    """Act again and again until the command that was started is answered."""
    answer, deadline = None, time.monotonic() + timeout
    while answer is None and time.monotonic() < deadline:
        act()
        answer = guest.poll(pause)
    return answer


def irq(guest):
    """The line of each user in /proc/interrupts: counts, chip, hwirq, flow, name."""
    _, seen = guest.run("cat /proc/interrupts")
    return {found[4]: (sum(map(int, found[1].split())), int(found[2]), found[3])
            for found in re.finditer(rf"(?m)^ *\d+:((?: +\d+)+) +{LABEL} +(\d+) +(Edge|Level) +(.*?)\s*$", seen)}


def override(guest, tap):
    """Bind the driver to a device that it has no ID of: probe() gets no ID."""
    # (In a defconfig it has a driver of its own.)
    guest.run(f"cd {DEVICES}/{OTHER}; [ ! -e driver ] || echo {OTHER} >driver/unbind; cd /")
    guest.run(f"echo pl061_gpio >{DEVICES}/{OTHER}/driver_override")
    with guest.operation("bind by driver_override"):
        status, seen = guest.run(f"echo {OTHER} >{DRIVER}/bind")
    tap.check("driver_override: bind", status == 0, seen)
    _, seen = guest.run("gpiodetect")
    tap.check("driver_override: a second chip", re.search(rf"\[{OTHER}\] \(8 lines\)", seen), seen)
    status, seen = guest.run(f"echo {OTHER} >{DRIVER}/unbind")
    tap.check("driver_override: unbind", status == 0, seen)
    guest.run(f"echo >{DEVICES}/{OTHER}/driver_override")
    with guest.operation("bind to a device without an ID"):
        status, seen = guest.run(f"echo {OTHER} >{DRIVER}/bind")
    tap.check("without driver_override it is not bound", status != 0, seen)
    _, seen = guest.run("gpiodetect")
    tap.check("driver_override: the second chip is gone", OTHER not in seen, seen)


def probe(guest, tap):
    """What probe does with the registers, which have old values in them."""
    guest.run("echo gpio-keys >/sys/bus/platform/drivers/gpio-keys/unbind")
    with guest.operation("unbind"):
        guest.run(f"echo {LABEL} >{DRIVER}/unbind")
    for register in (DIR, IS, IBE, IEV, IE):
        guest.write(register, 0xa5)
    with guest.operation("probe"):
        guest.run(f"echo {LABEL} >{DRIVER}/bind")
    tap.check("no interrupt is enabled by probe", guest.register(IE) == 0)
    for register in (DIR, IS, IBE, IEV):
        guest.write(register, 0)
    with guest.operation("probe of the power key"):
        guest.run("echo gpio-keys >/sys/bus/platform/drivers/gpio-keys/bind")


def under_fire(guest, tap):
    """Unbind and bind again and again, with an edge of a line that is in use every few ms."""
    guest.run("echo gpio-keys >/sys/bus/platform/drivers/gpio-keys/unbind")
    # (The chip may have a new number each time, as gpiomon still has the old one.)
    guest.start("for i in $(seq 20); do chip=$(gpiodetect | cut -d' ' -f1); "
                "gpiomon -c $chip -e both 5 >/dev/null 2>&1 & "
                "until gpioinfo -c $chip 5 | grep -q gpiomon; do :; done; sleep 0.1; "
                f"echo {LABEL} >{DRIVER}/unbind || exit 1; echo {LABEL} >{DRIVER}/bind || exit 2; "
                f"kill -KILL $! 2>/dev/null; wait $!; done; echo done")
    levels = itertools.cycle((0, 1))
    answer = meanwhile(guest, lambda: guest.drive(5, next(levels)), 0.001, 180)
    tap.check("unbind and bind 20 times while a line changes",
              answer and answer[0] == 0 and answer[1].endswith("done"), answer)
    guest.drive(5, 0)
    _, seen = guest.run("gpiodetect")
    tap.check("the chip is there after that", re.fullmatch(rf"gpiochip\d+ \[{LABEL}\] \(8 lines\)", seen), seen)
    guest.run("echo gpio-keys >/sys/bus/platform/drivers/gpio-keys/bind")
    power_key(guest, tap, "after that")


def uio(guest, name):
    """Path of the UIO device of that name."""
    _, seen = guest.run(f"grep -l 'level-{name}$' /sys/class/uio/*/name")
    return seen.split("/")[-2] if seen.endswith("/name") else ""


def enable(guest, device):
    """Let the interrupt of a UIO device come again."""
    guest.run(f"printf '\\001\\000\\000\\000' >/dev/{device}")


def count(guest, device):
    """How often the interrupt of a UIO device came."""
    return int(guest.run(f"cat /sys/class/uio/{device}/event")[1])


def settle(guest, device, line, active):
    """Off, and nothing pending: the model latches a level until it is acknowledged."""
    guest.drive(line, 1 - active)
    for _ in range(3):
        enable(guest, device)
    return count(guest, device)


def cut_boot(guest):
    """The low level is on when its user comes."""
    guest.cut("boot", f"w {IE:03x} {1 << LOW:02x}")


def level(guest, tap, name, line, active):
    device = uio(guest, name)
    if not tap.check(f"level {name}: has a user", device):
        return
    bit = 1 << line
    flow = irq(guest).get(f"level-{name}")
    tap.check(f"level {name}: in /proc/interrupts", flow and flow[1:] == (line, "Level"), flow)
    tap.equal(f"level {name}: registers", [bool(guest.register(r) & bit) for r in (IS, IBE, IEV)],
              [True, False, active == 1])

    before = settle(guest, device, line, active)
    enable(guest, device)
    tap.check(f"level {name}: quiet while the level is off",
              count(guest, device) == before and guest.register(IE) & bit)
    with guest.operation(f"interrupt, level {name}"):
        guest.drive(line, active)
        found, seen = guest.until(f"cat /sys/class/uio/{device}/event", rf"^{before + 1}$")
    tap.check(f"level {name}: comes from outside", found, seen)
    tap.check(f"level {name}: masked until user space has seen it", not guest.register(IE) & bit)
    tap.check(f"level {name}: only once meanwhile", count(guest, device) == before + 1)
    with guest.operation(f"unmask while it is on, level {name}"):
        enable(guest, device)
        found, seen = guest.until(f"cat /sys/class/uio/{device}/event", rf"^{before + 2}$")
    tap.check(f"level {name}: comes again as long as it is on", found, seen)
    after = settle(guest, device, line, active)
    enable(guest, device)
    seen = count(guest, device)
    tap.check(f"level {name}: quiet again", seen == after, f"{before} {after} {seen}")


def level_while_asleep(guest, tap):
    """A level comes while devices sleep. It is masked then, and user space is not there to unmask it."""
    device = uio(guest, "high")
    bit = 1 << HIGH
    guest.run("echo 3 >/sys/module/suspend/parameters/pm_test_delay")
    guest.run("echo 1 >/sys/power/pm_debug_messages; dmesg -n 8")
    for name, test, asleep in (("stays on", "devices", "suspend debug: Waiting"),
                               ("goes", "devices", "suspend debug: Waiting"),
                               ("stays on, registers are cleared", "devices", "suspend debug: Waiting"),
                               ("stays on, to idle", "none", "PM: suspend-to-idle")):
        what = f"freeze, level {name}"
        guest.run(f"echo {test} >/sys/power/pm_test")
        before = settle(guest, device, HIGH, 1)
        console, mark = guest.mark_console(), guest.mark()
        with guest.operation(f"suspend, then a level {name}"):
            guest.start("echo freeze >/sys/power/state")
            suspended = guest.wait_console(asleep, console)
            guest.drive(HIGH, 1)
            # (Interrupts that are suspended, too, come when they are resumed, which is before devices are.)
            came = test == "none" or guest.wait_access(f"w {IC:03x} {bit:02x}", mark)
        if not tap.check(f"{what}: came while devices are suspended", suspended and came):
            guest.finish()
            return
        if "goes" in name:
            guest.drive(HIGH, 0)
        if "cleared" in name:
            for register in (IE, DIR, IS, IBE, IEV):
                guest.write(register, 0)
        mark = guest.mark()
        if test == "none":
            guest.qmp.cmd("system_powerdown")
            answer = guest.poll(60)
        else:
            with guest.operation(f"resume, level {name}"):
                answer = guest.poll(60)
        if not tap.check(f"{what}: resumed", answer and answer[0] == 0, answer):
            return
        tap.equal(f"{what}: came once", count(guest, device), before + 1)
        tap.check(f"{what}: masked until user space has seen it", not guest.register(IE) & bit)
        # (The power key, which wakes the guest, has some.)
        reads = sum(access.startswith(f"r {MIS:03x}") for access in guest.accesses(mark))
        tap.check(f"{what}: no storm", reads <= 8, f"GPIOMIS is read {reads} times")
        enable(guest, device)
        tap.equal(f"{what}: comes again", count(guest, device), before + 2)
    settle(guest, device, HIGH, 1)
    enable(guest, device)
    guest.run("echo 0 >/sys/power/pm_debug_messages; dmesg -n 7")


def sleep_and_clobber(guest, tap):
    """Freeze; the registers lose what they had meanwhile."""
    guest.run("echo devices >/sys/power/pm_test")
    guest.run("echo 3 >/sys/module/suspend/parameters/pm_test_delay")
    guest.run("gpioset -c 0 --daemonize 6=1 7=0")
    start_mon(guest, "rise", "-e rising", 0)
    start_mon(guest, "fall", "-e falling", 1)
    registers = (DIR, IS, IBE, IEV, IE)
    ports = [masked([n]) for n in (6, 7)]
    for name, values in (("cleared", [0x00] * 4), ("changed", [0xff, 0x81, 0x42, 0x24])):
        before = [guest.register(r) for r in (*registers, *ports)]
        tap.check(f"freeze, {name}: all registers have something to lose", all(before[:-1]), before)
        console = guest.mark_console()
        suspended = False
        with guest.operation(f"suspend, then registers are {name}"):
            guest.start("echo freeze >/sys/power/state")
            suspended = guest.wait_console("suspend debug: Waiting", console)
        if not tap.check(f"freeze, {name}: devices are suspended", suspended):
            guest.finish()
            return
        for register, value in zip((IE, *registers), (0, *values)):
            guest.write(register, value)
        if values[0]:
            guest.write(masked([6, 7]), 0x80)
        with guest.operation(f"resume, registers are {name}", last=f"w {IE:03x}"):
            status, seen = guest.finish(60)
        tap.check(f"freeze, {name}: resumed", status == 0, seen)
        # Between IS and IEV a level has the wrong polarity. The model latches it, so that its
        # interrupt comes once, and stays masked until user space has seen it.
        after = [guest.register(r) for r in (*registers, *ports)]
        for seen in (before, after):
            seen[4] &= ~(1 << HIGH | 1 << LOW)
        tap.equal(f"freeze, {name}: registers are back", after, before)
        for which in ("high", "low"):
            enable(guest, uio(guest, which))
    guest.drive(0, 1)
    guest.drive(1, 1)
    guest.drive(1, 0)
    for name, expected in (("rise", "rising 0"), ("fall", "falling 1")):
        found, seen = guest.until(f"cat /tmp/{name}", expected)
        tap.check(f"freeze: {expected.split()[0]} edges still come", found, seen)
    guest.drive(0, 0)
    guest.run("killall gpioset gpiomon")
    guest.until("pidof gpioset gpiomon || echo gone", "gone")
    guest.run("echo none >/sys/power/pm_test")


def wake(guest, tap, press):
    """A key wakes the guest from a real suspend to idle."""
    console = guest.mark_console()
    guest.start("echo freeze >/sys/power/state")
    suspended = guest.wait_console("suspend-to-idle|PM: suspend entry", console)
    # No message marks the moment when interrupts are off: the key is pressed
    # until the guest answers.
    answer = meanwhile(guest, lambda: (time.sleep(0.5), press()), 2)
    tap.check("wake: a key wakes the guest", suspended and answer and answer[0] == 0, answer)


def triggers(guest, tap):
    """Users who ask for an interrupt type that means nothing."""
    driver = "/sys/bus/platform/drivers/uio_pdrv_genirq"
    guest.run("gpioget -c 0 6 7")   # (They have been outputs.)
    for name in TRIGGERS:
        device = name.replace(" ", "-")
        guest.run(f"echo uio_pdrv_genirq >/sys/bus/platform/devices/{device}/driver_override; dmesg -c >/dev/null")
        with guest.operation(f"trigger {name}"):
            status, seen = guest.run(f"echo {device} >{driver}/bind 2>/dev/null")
            guest.run(MESSAGES)
        tap.check(f"trigger {name}: rejected", status != 0 and not irq(guest).get(device), seen)
        guest.run(f"echo {device} >{driver}/unbind 2>/dev/null")


def edge_parent(guest, tap):
    """The parent is an edge: it comes again only after no line has been pending."""
    cut_boot(guest)
    _, seen = guest.run("cat $(dirname $(grep -lx 39 /sys/kernel/irq/*/hwirq))/type")
    tap.equal("the parent is an edge", seen, "edge")
    monitors = {0: "zero", 1: "one"}

    def single(name):
        """Each edge comes, and once; events from before do not count."""
        for line, monitor in monitors.items():
            guest.run(f"grep -c . /tmp/{monitor} >/tmp/{monitor}.before")
            new = f"tail -n +$((1 + $(cat /tmp/{monitor}.before))) /tmp/{monitor}"
            with guest.operation(f"{name}, line {line}"):
                for number in (1, 2, 3):
                    mark = guest.mark()
                    guest.drive(line, 1)
                    guest.wait_access(f"r {MIS:03x} 00", mark, 10)
                    found, seen = guest.until(new, rf"(rising {line}\s*){{{number}}}", 10)
                    if not found:
                        break
                    guest.drive(line, 0)
            if not tap.equal(f"{name}, line {line}: each comes once", seen.split("\n"), [f"rising {line}"] * 3):
                return False
        return True

    for line, monitor in monitors.items():
        start_mon(guest, monitor, "-e rising", line)
    if not single("edges"):
        return
    for number in range(1000):
        for line in monitors:
            guest.drive(line, number & 1 ^ 1)
    guest.run("sleep 0.1")
    tap.equal("after a burst: nothing is pending", guest.register(MIS), 0)
    if not single("edges after a burst"):
        return
    guest.run("killall gpiomon")
    guest.until("pidof gpiomon || echo gone", "gone")
    device = uio(guest, "high")
    before = settle(guest, device, HIGH, 1)
    guest.drive(HIGH, 1)
    enable(guest, device)
    tap.equal("a level comes, and again as long as it is on", count(guest, device), before + 2)
    tap.equal("a level that is masked is not pending", guest.register(MIS), 0)
    settle(guest, device, HIGH, 1)
    # Line 6 is unmasked, but has no user: its edge stays pending, and the parent comes again and again.
    enabled, mark = guest.register(IE), guest.mark()
    guest.write(IE, enabled | 1 << 6)
    guest.drive(6, 1)
    guest.drive(6, 0)
    found = guest.wait_access(f"w {IE:03x} 00", mark, 10)
    guest.write(IC, 1 << 6)
    guest.write(IE, enabled)
    tap.check("the handler ends although a line stays pending", found)
    power_key(guest, tap, "power key")


def one_cpu(guest, tap):
    """With one CPU, an endless interrupt leaves no time for user space."""
    cut_boot(guest)
    level_while_asleep(guest, tap)


def threaded(guest, tap):
    """Handlers of users run in threads: a line stays masked, or its edge is acknowledged, before they do."""
    cut_boot(guest)
    _, seen = guest.run("ps")
    tap.check("the power key's handler has a thread", re.search(r"irq/\d+-GPIO Key", seen), seen)
    edges(guest, tap, (0, 7))
    level(guest, tap, "high", HIGH, 1)
    level(guest, tap, "low", LOW, 0)
    level_while_asleep(guest, tap)
    power_key(guest, tap, "power key")


def described(guest, tap):
    """Names, reserved lines, a hog, and a clock that stops when the device is unbound."""
    with guest.operation("what can be seen of described lines"):
        _, seen = guest.run("gpioinfo -c 0")
        guest.run("cat /sys/kernel/debug/gpio")
        guest.run(MESSAGES)
    names = re.findall(r'(?m)^\s*line\s+\d+:\s+(?:"(.*?)"|unnamed)', seen)
    tap.equal("names", tuple(names), NAMES)
    tap.check("the hog has its line", re.search(rf'line\s+{HOG}:.*output.*consumer="?hogged', seen), seen)
    tap.equal("the hog drives its line", (guest.register(DIR), guest.register(masked([HOG]))), (1 << HOG, 1 << HOG))
    for name, command in (("read", "gpioget -c 0 {}"), ("driven", "gpioset -c 0 --daemonize {}=1"),
                          ("watched", "gpiomon -c 0 --idle-timeout 1ms {}")):
        with guest.operation(f"a reserved line, {name}"):
            status, seen = guest.run(command.format(RESERVED[0]))
        tap.check(f"a reserved line cannot be {name}", status != 0, seen)
    guest.drive(7, 1)
    with guest.operation("by name"):
        _, seen = guest.run("gpioget --numeric seven")
    tap.equal("a line is found by its name", seen, "1")
    start_mon(guest, "mon", "-e both", 5)
    tracing = "/sys/kernel/tracing"
    status, seen = guest.run(f"cd {tracing} && echo p:gpiochip_remove gpiochip_remove >kprobe_events && "
                             "for e in kprobes/gpiochip_remove clk/clk_enable clk/clk_disable rwmmio/rwmmio_read "
                             "rwmmio/rwmmio_write; do echo 1 >events/$e/enable || exit 1; done; echo >trace")
    tap.check("tracing", status == 0, seen)
    orders = {}
    for what in ("unbind", "bind"):
        guest.run(f"echo >{tracing}/trace; echo {LABEL} >{DRIVER}/{what}")
        _, seen = guest.run(f"cat {tracing}/trace")
        orders[what] = [
            found[1] or found[2] or "access" for found in
            re.finditer(r"(gpiochip_remove):|(clk_\w+): own-pclk|rwmmio_\w+: .*(?:pl061|rust_helper)", seen)]
    order = orders["unbind"]
    tap.check("unbind: chip removed, last access, clock stopped",
              order[:1] == ["gpiochip_remove"] and order[-1:] == ["clk_disable"] and "access" in order
              and order.count("clk_disable") == 1, seen and order)
    order = orders["bind"]
    tap.check("bind: the clock runs before the first access",
              order[:1] == ["clk_enable"] and "access" in order and "clk_disable" not in order, order)
    guest.run(f"cd {tracing}; for e in kprobes clk rwmmio; do echo 0 >events/$e/enable; done; echo >kprobe_events")
    guest.run("killall gpiomon")
    guest.until("pidof gpiomon || echo gone", "gone")
    _, seen = guest.run("gpioinfo hogged six 2>&1; gpioinfo | grep hogged")
    tap.check("bind: the hog is back", "hogged" in seen, seen)


def pins(guest, tap):
    """A line that is requested is taken from the pin controller, and given back."""
    line = 1
    owner = f"grep '^pin {line} ' /sys/kernel/debug/pinctrl/*/pinmux-pins"
    guest.write_word(PINS + 4 * line, 0)
    with guest.operation("request from the pin controller"):
        guest.run(f"gpioset -c 0 --daemonize {line}=0")
        _, seen = guest.run(owner)
    tap.check("pins: the chip has the pin of a line that is in use", re.search(rf"\) {LABEL}:\d+", seen), seen)
    tap.equal("pins: it is for GPIO", guest.word(PINS + 4 * line), GPIO_FUNCTION)
    with guest.operation("free to the pin controller"):
        guest.run("killall gpioset")
        guest.until("pidof gpioset || echo gone", "gone")
        _, seen = guest.run(owner)
    tap.check("pins: nobody has it any more", "(GPIO UNCLAIMED)" in seen, seen)
    guest.run(f"gpioget -c 0 {line}")


def no_interrupt(guest, tap):
    with guest.operation("what can be seen of a chip without interrupt"):
        guest.run("cat /sys/kernel/debug/gpio")
        guest.run(MESSAGES)
    _, seen = guest.run("gpiodetect")
    tap.check("one chip of 8 lines", seen == f"gpiochip0 [{LABEL}] (8 lines)", seen)
    _, seen = guest.run("dmesg")
    tap.check("the driver warns", "IRQ support disabled" in seen)
    with guest.operation("input"):
        guest.drive(5, 1)
        _, seen = guest.run("gpioget -c 0 --numeric 5")
    tap.check("lines can be read", seen == "1", seen)
    with guest.operation("output"):
        guest.run("gpioset -c 0 --daemonize 6=1")
        level = guest.register(masked([6]))
    tap.check("lines can be driven", level == 1 << 6)
    guest.run("killall gpioset")
    with guest.operation("edges"):
        guest.run("gpiomon -c 0 -e both 5 >/tmp/mon 2>&1 & echo $! >/tmp/mon.pid")
        found, seen = guest.until(f"cat /tmp/mon; {MONITORED}", r"5 gpiomon|unable")
    tap.check("edges cannot be asked for", found and "unable" in seen, seen)
    guest.run("killall gpiomon")
    guest.until("pidof gpioset gpiomon || echo gone", "gone")
    for what in ("unbind", "bind"):
        with guest.operation(what):
            status, seen = guest.run(f"echo {LABEL} >{DRIVER}/{what}")
        tap.check(what, status == 0, seen)


def acpi(guest, tap):
    """The machine has tables of ACPI, which have the power button among the events of the chip."""
    found, seen = guest.until(f"ls {DRIVER}", ACPI_LABEL, 5)
    if not tap.check("the device of ACPI is bound", found, seen):
        return
    _, seen = guest.run("gpiodetect")
    tap.check("gpiodetect: one chip of 8 lines", seen == f"gpiochip0 [{ACPI_LABEL}] (8 lines)", seen)
    power_key(guest, tap, "power button", "Power Button", "ACPI:Event", ACPI_LABEL)
    with guest.operation("unbind"):
        status, seen = guest.run(f"echo {ACPI_LABEL} >{DRIVER}/unbind")
    tap.check("unbind", status == 0, seen)
    _, seen = guest.run("grep ACPI:Event /proc/interrupts; gpiodetect")
    tap.check("event and chip are gone", seen == "", seen)
    with guest.operation("bind"):
        status, seen = guest.run(f"echo {ACPI_LABEL} >{DRIVER}/bind")
    tap.check("bind", status == 0, seen)
    status, seen = guest.run("for i in $(seq 9); do for what in unbind bind; do "
                             f"echo {ACPI_LABEL} >{DRIVER}/$what || exit 1; done; done")
    tap.check("unbind and bind nine times more", status == 0, seen)
    power_key(guest, tap, "after that", "Power Button", "ACPI:Event", ACPI_LABEL)
    # A key that a table of ours describes; the button is none that wakes.
    status, seen = guest.run("mount -t configfs none /sys/kernel/config && cd /sys/kernel/config/acpi/table && "
                             "mkdir keys && cat /usr/share/keys.aml >keys/aml")
    tap.check("a table with a key is loaded", status == 0, seen)
    found, seen = guest.until("cat /proc/interrupts", rf"{ACPI_LABEL}\s+{HIGH}\s+Edge\s+Wake")
    tap.check("the key has an interrupt", found, seen)

    def press():
        guest.drive(HIGH, 1)
        guest.drive(HIGH, 0)

    wake(guest, tap, press)
    power_key(guest, tap, "after wake", "Power Button", "ACPI:Event", ACPI_LABEL)
    # A second device, which is no PL061.
    status, seen = guest.run(f"echo pl061_gpio >{DEVICES}/{ACPI_UNMAPPED}/driver_override && "
                             f"echo {ACPI_UNMAPPED} >{DRIVER}/bind")
    tap.check("a device whose interrupt cannot be mapped is bound", status == 0, seen)
    _, seen = guest.run("dmesg")
    tap.check("it has no interrupt", f"{ACPI_UNMAPPED}: IRQ support disabled" in seen)
    guest.run(f"echo {ACPI_UNMAPPED} >{DRIVER}/unbind")


def acpi_module(guest, tap):
    """An event of ACPI comes while the driver is loaded."""
    name = "gpio_pl061_rust" if tap.driver == "rust" else "gpio_pl061"
    guest.run("depmod")
    for number in range(5):
        guest.start(f"modprobe {name}")
        answer = meanwhile(guest, lambda: guest.qmp.cmd("system_powerdown"), 0.01)
        tap.check(f"load while the button is pressed, {number}", answer and answer[0] == 0, answer)
        power_key(guest, tap, f"loaded, {number}", "Power Button", "ACPI:Event", ACPI_LABEL)
        # (As long as the device is bound, its events keep the module.)
        status, seen = guest.run(f"echo {ACPI_LABEL} >{DRIVER}/unbind && rmmod {name}")
        tap.check(f"remove, {number}", status == 0, seen)


def module(guest, tap):
    guest.run("depmod")
    _, seen = guest.run("gpiodetect")
    tap.check("no chip before the module is loaded", seen == "", seen)
    name = "gpio_pl061_rust" if tap.driver == "rust" else "gpio_pl061"
    guest.names[name] = "MODULE"
    _, seen = guest.run(f"modinfo {name}")
    tap.check("modinfo shows the alias", re.search(r"(?m)^alias:\s+amba:d\?\?\?41061$", seen), seen)
    _, seen = guest.run(f"sed -n 's/^MODALIAS=//p' {DEVICES}/{LABEL}/uevent")
    tap.check("the device has an alias", seen == "amba:d00041061", seen)
    with guest.operation("load"):
        status, seen = guest.run(f"modprobe '{seen}'")
        guest.until(*KEY_IS_BOUND)
        _, info = guest.run("gpioinfo -c 0")
    tap.check("the alias loads the module", status == 0, seen)
    _, seen = guest.run("lsmod")
    tap.check("it is the right one", re.search(rf"(?m)^{name} ", seen), seen)
    tap.check("the chip is there, and the power key uses it", "GPIO Key Poweroff" in info, info)
    status, seen = guest.run(f"rmmod {name}")
    tap.check("rmmod is refused while the power key holds a line", status != 0, seen)
    guest.run("echo gpio-keys >/sys/bus/platform/drivers/gpio-keys/unbind")
    guest.run("gpioset -c 0 --daemonize 6=1")
    status, seen = guest.run(f"rmmod {name}")
    tap.check("rmmod is refused while user space holds a line", status != 0, seen)
    guest.run("killall gpioset")
    guest.until("pidof gpioset || echo gone", "gone")
    start_mon(guest, "mon", "-e both", 5)
    status, seen = guest.run(f"rmmod {name}")
    tap.check("rmmod is refused while user space has an interrupt", status != 0, seen)
    guest.run("killall gpiomon")
    guest.until("pidof gpiomon || echo gone", "gone")
    with guest.operation("remove"):
        status, seen = guest.run(f"rmmod {name}")
    tap.check("rmmod", status == 0, seen)
    _, seen = guest.run("gpiodetect")
    tap.check("the chip is gone", seen == "", seen)
    for n in range(3):
        with guest.operation(f"load, use and remove, {n}"):
            status, seen = guest.run(f"modprobe {name} && gpioget -c 0 --numeric 5 && rmmod {name}")
        tap.equal(f"loaded, used and removed again, {n}", (status, seen), (0, "0"))


def hibernate(guest, tap):
    """Freeze, thaw to write the image, freeze, and restore from it; without a break in between."""
    name = "gpio_pl061_rust" if tap.driver == "rust" else "gpio_pl061"
    guest.run(f"depmod; modprobe {name}")
    guest.until(*KEY_IS_BOUND)
    guest.watch_callbacks()
    status, seen = guest.run("mkswap /dev/vda && swapon /dev/vda && echo test_resume >/sys/power/disk")
    if not tap.check("there is swap", status == 0, seen):
        return
    guest.run("gpioset -c 0 --daemonize 6=1 7=0")
    start_mon(guest, "rise", "-e rising", 0)
    registers = (DIR, IS, IBE, IEV, IE, masked([6]))
    before = [guest.register(r) for r in registers]
    operation = "freeze, thaw, freeze, restore"
    with guest.operation(operation):
        status, seen = guest.run("echo disk >/sys/power/state", 300)
    tap.check("freeze, thaw and restore", status == 0, seen)
    tap.equal("registers are as before", [guest.register(r) for r in registers], before)
    # (The model keeps them meanwhile.)
    written = guest.operations[operation].count(f"w {IE:03x} {before[4]:02x}")
    tap.equal("interrupts are enabled once more by thaw and by restore", written, 2)
    guest.drive(0, 1)
    found, seen = guest.until("cat /tmp/rise", "rising 0")
    tap.check("edges still come", found, seen)
    guest.drive(0, 0)


def stock(guest, tap):
    guest.watch_callbacks()
    identity(guest, tap)
    inputs(guest, tap)
    outputs(guest, tap)
    several_outputs(guest, tap)
    edges(guest, tap)
    requests(guest, tap)
    old_edge(guest, tap)
    power_key(guest, tap, "power key")
    override(guest, tap)
    rebind(guest, tap)
    probe(guest, tap)
    under_fire(guest, tap)


def levels(guest, tap):
    guest.watch_callbacks()
    cut_boot(guest)
    pins(guest, tap)
    level(guest, tap, "high", HIGH, 1)
    level(guest, tap, "low", LOW, 0)
    sleep_and_clobber(guest, tap)
    level_while_asleep(guest, tap)
    wake(guest, tap, lambda: guest.qmp.cmd("system_powerdown"))
    power_key(guest, tap, "after wake")
    triggers(guest, tap)


@dataclass(frozen=True)
class Machine:
    """What a scenario runs on."""
    scenario: object
    image: str = "builtin"
    edits: list = field(default_factory=list)       # of the device tree
    append: str = ""                                # to the kernel's command line
    extra: tuple = ()                               # options of QEMU
    smp: int = 2
    more: bool = False                              # with --compare and --flavour only


GUESTS = {"stock": Machine(stock),
          "levels": Machine(levels, edits=LEVELS),
          "one CPU": Machine(one_cpu, edits=LEVELS, smp=1),
          "threaded": Machine(threaded, edits=LEVELS, append="threadirqs", more=True),
          "edge parent": Machine(edge_parent, edits=EDGE_PARENT),
          "no interrupt": Machine(no_interrupt, edits=NO_INTERRUPT),
          "described": Machine(described, edits=DESCRIBED),
          "acpi": Machine(acpi, append="acpi=force", extra=ACPI),
          "module": Machine(module, "module"),
          "acpi module": Machine(acpi_module, "module", append="acpi=force", extra=ACPI, more=True),
          "hibernate": Machine(hibernate, "module", extra=SWAP)}


def run(name, images, logs, tap):
    kind = GUESTS[name]
    images = f"{images}/{kind.image}"
    logs = f"{logs}/{name.replace(' ', '-')}"
    os.makedirs(logs, exist_ok=True)
    tap.guest = name
    dtb = None
    try:
        if kind.edits:
            dtb = f"{logs}/dtb"
            device_tree(dtb, kind.edits, kind.smp)
        guest = RecordedGuest(f"{images}.kernel", f"{images}.initramfs", logs, smp=kind.smp, dtb=dtb, extra=kind.extra,
                              append=f"no_console_suspend uio_pdrv_genirq.of_id=series,uio {kind.append}")
        try:
            tap.check("boot to user space", True)
            kind.scenario(guest, tap)
            tap.check("power off", guest.power_off(), env.read(f"{logs}/qemu"))
        finally:
            guest.close()
            tap.record["guests"][name] = guest.record()
    except Exception as error:
        tap.check("guest", False, machine.why(error, logs))
    if console := env.read(f"{logs}/console"):
        splats = scan(console.splitlines())
        tap.check("no splat on the console", not splats, "\n".join(map(str, splats)))
    if tap.failed:
        # (On a full disk, all kinds of things go wrong.)
        env.need_space(50)


def boot(driver, images, path, logs, guests=(), indent=""):
    """Boot guests, all or those named; return the TAP."""
    with DriverTap(driver, path, f"{logs}/tap", indent) as tap:
        tap.say("TAP version 13")
        for name in guests or GUESTS:
            passed, failed = tap.passed, tap.failed
            run(name, images, logs, tap)
            tap.guests[name] = tap.passed - passed, tap.failed - failed
        tap.guest = ""
        env.write(f"{logs}/record.json", json.dumps(tap.record, indent=1))
        tap.done()
        tap.end()
    return tap


def main(arguments):
    if len(arguments) < 4 or not set(arguments[4:]) <= set(GUESTS):
        print(__doc__.strip())
        return 0 if "-h" in arguments else 2
    driver, images, path, logs, *guests = arguments
    try:
        return 1 if boot(driver, images, path, logs, guests).failed else 0
    except DifferencesError as error:
        env.die(2, error)


if __name__ == "__main__":
    env.main(main)
