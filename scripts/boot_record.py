# SPDX-License-Identifier: GPL-2.0
"""A guest that records what happens in each operation of a scenario.

An operation has a name, and lines in the order in which they came: what was done
from inside and outside ("$ gpioget ...", "line 2 is 1"), what userspace saw of
it ("> 1"), and each access of the guest to a register of the PL061 ("r 400 00",
offset and value). Besides, it is known which callbacks of the driver were called
in it. Used by boot_scenario.py; boot_compare.py compares two records.
"""
import re
import select
import socket
import threading
from contextlib import contextmanager

from guest import Guest, GuestError

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
# In Rust, tables point to functions of the abstractions, which are generic over the driver. (The
# name of a type or function has its length in front.)
RUST = [(r"_R\w+6kernel3irq7chained10(handle_irq)I\w+", r"irq_desc.\1"),
        (r"_R\w+6kernel4gpio6driver\d+([a-z_]+)_callback\w+", r"gpio_chip.\1"),
        (r"_R\w+6kernel3irq4chip\d+([a-z_]+)_callback\w+", r"irq_chip.irq_\1"),
        (r"_R\w+6kernel2pm\w+?\d([a-z_]+)_callback\w+", r"dev_pm_ops.\1"),
        (r"_R\w+6kernel4amba\w+?\d([a-z_]+)_callback\w+", r"amba_driver.\1"),
        (r"_R\w+6kernel6driver\w+?\d([a-z_]+)_callback\w+", r"device_driver.\1"),
        (r"_R\w+?\d([a-z_]+_callback)\w+", r"\1")]


def callback(symbol):
    """Name of the callback that a function of the kernel is, or "" if it is none of the driver."""
    if symbol in GPIOLIB:
        return GPIOLIB[symbol]
    names = C if symbol.startswith("pl061_") else RUST if "gpio_pl061_rust" in symbol else []
    return next((found.expand(name) for pattern, name in names if (found := re.fullmatch(pattern, symbol))), "")


class Callbacks:
    """Tells which callbacks are called in an operation: by breakpoints of QEMU's server for gdb.

    They need nothing in the kernel. The guest stops at one until the thread here
    lets it go on, without that breakpoint: so it stops once for each callback and
    operation. (The driver in C also calls some of its callbacks itself.)
    """

    def __init__(self, guest):
        _, symbols = guest.run("grep -E 'pl061|gpiochip_(generic|irq)_' /proc/kallsyms")
        self.names = {int(address, 16): name for address, symbol in re.findall(r"(?m)^(\w+) [tT] (\S+)", symbols)
                      if (name := callback(symbol))}
        if not set(self.names.values()) - set(GPIOLIB.values()):
            raise GuestError("no callback of the driver is in /proc/kallsyms")
        self.calls = {name: [] for name in sorted(self.names.values())}
        self.armed = set()
        self.operation = self.next = self.error = None
        self.done = threading.Event()
        guest.qmp.cmd("human-monitor-command",
                      **{"command-line": f"gdbserver unix:{guest.dir}/gdb,server=on,wait=off"})
        self.gdb = socket.socket(socket.AF_UNIX)
        self.gdb.settimeout(60)
        self.gdb.connect(f"{guest.dir}/gdb")        # (stops the guest)
        self._send("c")
        self.wake, self.waker = socket.socketpair()
        threading.Thread(target=self._work, daemon=True).start()

    def begin(self, operation):
        """The operation that callbacks belong to from now on; None, and the guest does not stop any more."""
        self.next = operation
        self.done.clear()
        self.waker.sendall(b"!")
        if not self.done.wait(60) or self.error:
            raise GuestError(f"QEMU's server for gdb: {self.error or 'no answer'}")

    def _work(self):
        try:
            while True:
                if self.wake in select.select([self.gdb, self.wake], [], [])[0]:
                    self.wake.recv(1)
                    self.gdb.sendall(b"\x03")
                    self._stopped()
                    self.operation = self.next
                    self._arm()
                    self._send("c")
                    self.done.set()
                elif self.gdb.recv(1) == b"$":      # (not the "+" that answers "c")
                    self._stopped(b"$")
                    self._send("c")
        except (OSError, GuestError) as error:
            self.error = error
            self.done.set()

    def _stopped(self, begun=b""):
        """The guest has stopped: at a breakpoint, or since we asked for it."""
        if not self._packet(begun).startswith("T05"):
            return
        # General registers, stack pointer, program counter.
        registers = self._ask("g")
        at = int.from_bytes(bytes.fromhex(registers[32 * 16:33 * 16]), "little")
        # (It stops twice if two CPUs have come to a breakpoint at once, and only one is there still.)
        if at in self.armed:
            self._ask(f"z0,{at:x},4")
            self.armed.remove(at)
            self.calls[self.names[at]].append(self.operation)

    def _arm(self):
        wanted = set(self.names) if self.operation else set()
        for at in wanted ^ self.armed:
            self._ask(f"{'Z' if at in wanted else 'z'}0,{at:x},4")
        self.armed = wanted

    def _send(self, text):
        self.gdb.sendall(f"${text}#{sum(text.encode()) % 256:02x}".encode())

    def _packet(self, data=b""):
        while not (found := re.search(rb"\$([^#]*)#..", data)):
            more = self.gdb.recv(4096)
            if not more:
                raise GuestError("it is gone")
            data += more
        self.gdb.sendall(b"+")
        return found[1].decode()

    def _ask(self, text):
        self._send(text)
        answer = self._packet()
        if not answer or answer.startswith("E"):
            raise GuestError(f"answer to {text}: {answer!r}")
        return answer


class RecordedGuest(Guest):
    def __init__(self, *arguments, **options):
        self.lines = None           # those of the operation that goes on
        self.quiet = False
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
            self.callbacks.begin(None)

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
        super().start(command)

    def finish(self, timeout=30):
        answer = super().finish(timeout)
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
