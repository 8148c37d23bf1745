# SPDX-License-Identifier: GPL-2.0
"""A Linux guest on QEMU's arm64 `virt` machine, seen from inside and outside.

Inside, commands run through the virtio console (see init). Outside, the input
lines of a chip are driven, its registers read and written through qtest, and QMP
presses the power button.
"""
import contextlib
import logging
import os
import re
import signal
import socket
import subprocess
import threading
import time
import traceback

from qemu.qmp import QMPError
from qemu.qmp.legacy import QEMUMonitorProtocol

import env
import virt

# (It tells of each command of QMP that a signal cut short.)
logging.getLogger("asyncio").setLevel(logging.CRITICAL)


class GuestError(Exception):
    """The guest did not do what it had to: no answer, or it died."""


class NoAnswer(GuestError):
    """The guest has not answered in time."""


def why(error, logs):
    """What to say of an error in a check: where it is from, unless the guest is at fault, and what QEMU says."""
    text = str(error) if isinstance(error, GuestError) else "".join(traceback.format_exception(error))
    return f"{text.strip()}\n{env.read(f'{logs}/qemu')}".strip()


def _done(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise GuestError(f"{' '.join(command)}: status {done.returncode}\n{done.stderr}")
    return done.stdout.strip()


def waited(condition, timeout):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def device_tree(path, edits, smp=2):
    """Write the machine's device tree to `path`, with edits.

    Each edit is (options, arguments...) of fdtput; &NODE stands for its phandle.
    """
    # (For QEMU, two commas are one.)
    _done(*virt.machine(smp=smp), "-machine", f"dumpdtb={path}".replace(",", ",,"))
    for options, *arguments in edits:
        for at, word in enumerate(arguments):
            if word.startswith("&"):
                arguments[at] = _done("fdtget", "-t", "x", path, word[1:], "phandle")
        _done("fdtput", *options.split(), path, *arguments)


class Outside:
    """The machine from outside: sockets for qtest and QMP."""

    # GPIO controllers: QEMU's name, and the address of the registers.
    CHIP, ADDRESS = "", 0

    def connect(self, qtest, qmp):
        self.qtest, self.qtest_lock = qtest, threading.Lock()
        self.qmp = QEMUMonitorProtocol(qmp)
        self.qmp.connect()
        self.chip = self._find(self.CHIP)

    def _gone(self):
        return GuestError("the guest is gone")

    def _find(self, kind):
        for item in self.qmp.cmd("qom-list", path="/machine/unattached"):
            if item["type"] == f"child<{kind}>":
                return f"/machine/unattached/{item['name']}"
        raise GuestError(f"the machine has no {kind}")

    def _qtest(self, command):
        reply = b""
        try:
            with self.qtest_lock:
                self.qtest.settimeout(30)
                self.qtest.sendall(command.encode() + b"\n")
                while not reply.endswith(b"\n"):
                    data = self.qtest.recv(4096)
                    if not data:
                        raise self._gone()
                    reply += data
        except OSError as error:
            raise GuestError(f"qtest: {command}: {error}") from None
        if not reply.startswith(b"OK"):
            raise GuestError(f"qtest: {command}: {reply.decode().strip()}")
        return reply.decode().split()[1:]

    def drive(self, line, level):
        """Drive an input line of the chip from outside."""
        self._qtest(f"set_irq_in {self.chip} unnamed-gpio-in {line} {level}")

    def register(self, offset):
        """Read a register of the chip from outside."""
        return int(self._qtest(f"readb {self.ADDRESS + offset:#x}")[0], 16)

    def write(self, offset, value):
        """Write a register of the chip from outside."""
        self._qtest(f"writeb {self.ADDRESS + offset:#x} {value:#x}")

    def word(self, address):
        """Read a word of memory from outside."""
        return int(self._qtest(f"readl {address:#x}")[0], 16)

    def write_word(self, address, value):
        """Write a word of memory from outside."""
        self._qtest(f"writel {address:#x} {value:#x}")


class Guest(Outside):
    def __init__(self, kernel, initramfs, logs, smp=2, append="", dtb=None, trace=True, extra=()):
        os.makedirs(logs, exist_ok=True)
        self.logs = logs
        self.console = f"{logs}/console"
        self.trace = f"{logs}/trace"
        self.count = 0
        self.buffer = b""
        self.qmp = None
        for path in (self.console, self.trace):
            open(path, "w").close()
        # (The address of a socket has room for 107 bytes, these have none.)
        pairs = {name: socket.socketpair() for name in ("commands", "qtest", "qmp")}
        self.commands, self.qtest, qmp = (ours for ours, _ in pairs.values())
        links = [theirs for _, theirs in pairs.values()]
        command = [
            *virt.machine(smp=smp),
            *virt.booting(kernel, initramfs, f"file:{self.console}", f"kunit.enable=0 {append}"),
            *(word for name, (_, theirs) in pairs.items()
              for word in ("-chardev", f"socket,id={name},fd={theirs.fileno()}")),
            "-mon", "chardev=qmp,mode=control", "-qtest", "chardev:qtest", "-qtest-log", "/dev/null",
            "-device", "virtio-serial-device", "-device", "virtconsole,chardev=commands",
            *(["-trace", f"enable={self.CHIP}_*", "-D", self.trace] if trace else []),
            *(["-dtb", dtb] if dtb else []), *extra,
        ]
        with open(f"{logs}/qemu", "w") as log:
            self.qemu = env.start(command, stdout=log, stderr=log, pass_fds=[link.fileno() for link in links])
        for link in links:
            link.close()
        try:
            self._answer("ready", 300)
            self.connect(self.qtest, qmp)
        except BaseException:
            self.close()
            raise

    def _gone(self):
        status = self.qemu.wait(10)
        return GuestError(f"the guest is gone: QEMU ended with status {status}, see {self.console}")

    def _answer(self, ident, timeout):
        deadline = time.monotonic() + timeout
        mark = re.compile(rb"(?:^|\n)@@" + ident.encode() + rb" (\d+)\r?\n")
        while not (found := mark.search(self.buffer)):
            self.commands.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                data = self.commands.recv(4096)
            except TimeoutError:
                raise NoAnswer(f"no answer in {timeout} s to command {ident}, "
                               f"see {self.console}") from None
            except OSError:
                data = b""
            if not data:
                raise self._gone()
            self.buffer += data
        output = self.buffer[:found.start()]
        self.buffer = self.buffer[found.end():]
        return int(found[1]), output.decode(errors="replace").replace("\r", "").strip()

    def start(self, command):
        """Start a shell command in the guest, for `finish`."""
        self.count += 1
        self.commands.sendall(f"{self.count} {command}\n".encode())

    def finish(self, timeout=30):
        """Wait for the command that was started; return (status, output)."""
        return self._answer(str(self.count), timeout)

    def poll(self, timeout):
        """Wait for the command that was started; return (status, output) or None."""
        try:
            return self.finish(timeout)
        except NoAnswer:
            return None

    def run(self, command, timeout=30):
        """Run a shell command in the guest; return (status, output)."""
        self.start(command)
        return self.finish(timeout)

    def until(self, command, text, timeout=30):
        """Run `command` until its output matches `text`; return (found, output)."""
        deadline = time.monotonic() + timeout
        while not (found := bool(re.search(text, output := self.run(command, timeout)[1]))):
            if time.monotonic() > deadline:
                break
        return found, output

    def mark(self):
        """A place in the trace, for `accesses`."""
        return os.path.getsize(self.trace)

    def mark_console(self):
        """A place on the console, for `wait_console`."""
        return os.path.getsize(self.console)

    def accesses(self, mark, end=None):
        """What the guest has read from and written to the chip since `mark`, up to `end`."""
        with open(self.trace) as trace:
            trace.seek(mark)
            return [f"{'r' if kind == 'read' else 'w'} {int(offset, 16):03x} {int(value, 16):02x}"
                    for kind, offset, value in re.findall(
                        rf"{self.CHIP}_(read|write) \S+ offset (0x\w+) value (0x\w+)", trace.read(end and end - mark))]

    def wait_access(self, access, mark, timeout=30):
        """Wait until the guest has made an access since `mark`."""
        return waited(lambda: access in self.accesses(mark), timeout)

    def wait_console(self, text, start=0, timeout=60):
        """Wait until `text` is on the console, from byte `start`."""
        def there():
            with open(self.console, errors="replace") as console:
                console.seek(start)
                return re.search(text, console.read())
        return waited(there, timeout)

    def outputs(self):
        """Levels that the chip has put on its output lines, from the trace."""
        levels = {}
        with open(self.trace) as trace:
            for line in trace:
                if found := re.search(rf"{self.CHIP}_set_output .*setting output (\d+) to (\d)", line):
                    levels[int(found[1])] = int(found[2])
        return levels

    def power_off(self, timeout=60):
        """Ask for a clean power-off; True if QEMU went with status 0."""
        self.commands.sendall(b"off poweroff -f\n")
        try:
            return self.qemu.wait(timeout) == 0
        except subprocess.TimeoutExpired:
            return False

    def close(self):
        # (QEMU may have gone by itself. It says nothing about being killed.)
        if self.qemu.poll() is None:
            os.killpg(self.qemu.pid, signal.SIGKILL)
        env.wait(self.qemu)
        if self.qmp:
            with contextlib.suppress(EOFError, OSError, QMPError):
                self.qmp.close()
        for link in (self.commands, self.qtest):
            link.close()
