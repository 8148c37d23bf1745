# SPDX-License-Identifier: GPL-2.0
"""A guest that records what happens in each operation of a scenario.

An operation has a name, and lines in the order in which they came: what was done
from inside and outside ("$ gpioget ...", "line 2 is 1"), what userspace saw of
it ("> 1"), and each access of the guest to a register of the PL061 ("r 400 00",
offset and value). Besides, it is known which callbacks of the driver were called
in it. Used by scenario.py; compare.py compares two records.
"""
import re
import subprocess
from contextlib import contextmanager

import build
from chip import ChipGuest
from machine import GuestError

# Where a driver puts which function. Functions of gpiolib that are for that:
GPIOLIB = {"gpiochip_generic_request": "gpio_chip.request",
           "gpiochip_generic_free": "gpio_chip.free",
           "gpiochip_irq_reqres": "irq_chip.irq_request_resources",
           "gpiochip_irq_relres": "irq_chip.irq_release_resources"}
# The functions of the driver in C, and how a name becomes another. (Those that initialize the
# module are gone, the rest are callbacks.)
C = [(r"pl061_(get|set)_value", r"gpio_chip.\1"),
     (r"pl061_irq_handler", r"irq_desc.handle_irq"),
     (r"pl061_irq_type", r"irq_chip.irq_set_type"),
     (r"pl061_(irq_\w+)", r"irq_chip.\1"),
     (r"pl061_(suspend|resume)", r"dev_pm_ops.\1"),
     (r"pl061_(probe|remove|shutdown)", r"amba_driver.\1"),
     (r"pl061_gpio_driver_(init|exit)", r""),
     (r"pl061_(\w+)", r"gpio_chip.\1")]
# In Rust, tables point to functions of the abstractions, which are generic over the driver.
RUST = [(r"kernel::gpio::driver::(\w+)_callback::.*", r"gpio_chip.\1"),
        (r"kernel::gpio::driver::irqchip::parent_handler::.*", r"irq_desc.handle_irq"),
        (r"kernel::gpio::driver::irqchip::(\w+)_callback::.*", r"irq_chip.irq_\1"),
        (r"<kernel::pm::.*>::(\w+)_callback.*", r"dev_pm_ops.\1"),
        (r"<kernel::amba::.*>::(\w+)_callback.*", r"amba_driver.\1"),
        (r"<kernel::driver::.*>::(\w+)_callback.*", r"device_driver.\1"),
        (r".*::(\w+_callback)\b.*", r"\1")]


def callback(symbol):
    """Name of the callback that a function of the kernel is, or "" if it is none of the driver."""
    if symbol in GPIOLIB:
        return GPIOLIB[symbol]
    names = C if symbol.startswith("pl061_") else RUST if "gpio_pl061_rust" in symbol else []
    return next((found.expand(name) for pattern, name in names if (found := re.fullmatch(pattern, symbol))), "")


def demangled(symbols):
    """(address, name) of the functions in lines of /proc/kallsyms."""
    found = re.findall(r"(?m)^(\w+) [tT] (\S+)", symbols)
    done = subprocess.run([build.llvm("llvm-cxxfilt")], input="".join(f"{symbol}\n" for _, symbol in found),
                          check=True, capture_output=True, text=True)
    return [(address, name) for (address, _), name in zip(found, done.stdout.splitlines())]


class Callbacks:
    """Tells which callbacks are called in an operation, by kprobes of the guest, which count.

    (The driver in C also calls some of its callbacks itself.)
    """

    TRACING = "/sys/kernel/tracing"

    def __init__(self, guest):
        self.guest = guest
        _, symbols = guest.run("grep -E 'pl061|gpiochip_(generic|irq)_' /proc/kallsyms")
        places = [(address, name) for address, symbol in demangled(symbols) if (name := callback(symbol))]
        self.calls = {name: [] for name in sorted(name for _, name in places)}
        if not set(self.calls) - set(GPIOLIB.values()):
            raise GuestError("no callback of the driver is in /proc/kallsyms")
        # (The name of a probe has no dot.)
        self.probes = {f"callback{n}": name for n, (_, name) in enumerate(places)}
        probes = "".join(f"p:{probe} 0x{address}\\n" for probe, (address, _) in zip(self.probes, places))
        status, seen = guest.run(f"cd {self.TRACING} && printf '{probes}' >kprobe_events && "
                                 "echo 1 >events/kprobes/enable")
        if status:
            raise GuestError(f"no kprobes: {seen}")
        self.open = []
        self.counts = self._counts()

    def begin(self, operation):
        # (A guest that sleeps does not answer: an operation that begins then goes with the one before.)
        if self.guest.pending:
            self.open.append(operation)
        else:
            self.open, self.counts = [operation], self._counts()

    def end(self):
        if self.guest.pending:
            return
        counts = self._counts()
        for name in sorted({self.probes[probe] for probe in counts if counts[probe] > self.counts[probe]}):
            self.calls[name].append(" and ".join(self.open))

    def _counts(self):
        # Name, hits, misses.
        _, seen = self.guest.run(f"cat {self.TRACING}/kprobe_profile")
        counts = {probe: int(hits) + int(misses)
                  for probe, hits, misses in re.findall(r"(?m)^\s*(\w+)\s+(\d+)\s+(\d+)\s*$", seen)}
        if set(counts) != set(self.probes):
            raise GuestError(f"not all kprobes are there: {seen}")
        return counts


class RecordedGuest(ChipGuest):
    def __init__(self, *arguments, **options):
        self.lines = None           # those of the operation that goes on
        self.quiet = False
        self.pending = False        # whether a command has been started and not finished
        self.operations = {}
        self.names = {}             # what is called differently with each driver -> what it is called here
        self.callbacks = None
        self.at = 0                 # place in the trace up to which it is in `lines`
        super().__init__(*arguments, **options)
        self.operations["boot"] = self.accesses(0)

    def watch_callbacks(self):
        """From now on, tell which callbacks of the driver are called. The driver has to be there."""
        self.callbacks = Callbacks(self)

    @contextmanager
    def operation(self, name, last=""):
        """Record what is done inside. It has to wait until what was begun has come to its end.

        `last`: with that, interrupts begin to come while other accesses go on, in no given order.
        """
        if name in self.operations or self.lines is not None:
            raise ValueError(f"operation {name}: twice, or inside another")
        if self.callbacks:
            self.callbacks.begin(name)
        self.lines, self.at = [], self.mark()
        try:
            yield
            self._note()
            self.operations[name] = self.lines
            if last:
                self.cut(name, last)
        finally:
            self.lines = None
        if self.callbacks:
            self.callbacks.end()

    def cut(self, name, last):
        """Leave out what comes after the first line that starts so."""
        lines = self.operations[name]
        del lines[next((n for n, line in enumerate(lines, 1) if line.startswith(last)), len(lines)):]

    def _note(self, *lines):
        """The accesses up to now, and `lines`."""
        if self.lines is not None and not self.quiet:
            end = self.mark()
            self.lines += self.accesses(self.at, end)
            self.at = end
            for line in lines:
                for name, ours in self.names.items():
                    line = line.replace(name, ours)
                self.lines.append(line)

    def _note_answer(self, status, output):
        self._note(*(f"> {line}".rstrip() for line in output.splitlines()),
                   *([f"> exit {status}"] if status else []))

    def start(self, command):
        self._note(f"$ {command}")
        self.pending = True
        super().start(command)

    def finish(self, timeout=30):
        answer = super().finish(timeout)
        self.pending = False
        self._note_answer(*answer)
        return answer

    def until(self, command, text, timeout=30):
        # How often it is run depends on how fast others are, as does what comes before the last time.
        self.quiet = True
        try:
            found, output = super().until(command, text, timeout)
        finally:
            self.quiet = False
        self._note(f"$ {command}")
        self._note_answer(0 if found else "without that", output)
        return found, output

    def drive(self, line, level):
        self._note(f"line {line} is {level}")
        super().drive(line, level)

    def register(self, offset):
        self._note()
        value = super().register(offset)
        self.at = self.mark()       # (This one is in the trace, too.)
        self._note(f"{offset:03x} has {value:02x}")
        return value

    def write(self, offset, value):
        self._note(f"{offset:03x} becomes {value:02x}")
        super().write(offset, value)
        self.at = self.mark()

    def record(self):
        return {"operations": self.operations, "callbacks": self.callbacks.calls if self.callbacks else {}}
