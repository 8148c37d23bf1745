# SPDX-License-Identifier: GPL-2.0
"""A Linux guest on QEMU's arm64 `virt` machine, seen from inside and outside.

Inside, commands run through the virtio console (see guest-init). Outside, the
input lines of the PL061 are driven, its registers read and written through
qtest, and QMP presses the power button. Used by boot_scenario.py.
"""
import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time

from qemu.qmp import QMPError
from qemu.qmp.legacy import QEMUMonitorProtocol

PL061 = 0x09030000


class GuestError(Exception):
    """The guest did not do what it had to: no answer, or it died."""


class NoAnswer(GuestError):
    """The guest has not answered in time."""


MACHINE = ["-M", "virt", "-cpu", "cortex-a57", "-m", "1024", "-nodefaults", "-display", "none"]


def device_tree(path, edits, smp=2):
    """Write the machine's device tree to `path`, with edits.

    Each edit is (options, arguments...) of fdtput; &NODE stands for its phandle.
    """
    subprocess.run(["qemu-system-aarch64", *MACHINE, "-smp", str(smp), "-machine", f"dumpdtb={path}"],
                   check=True, stdin=subprocess.DEVNULL, capture_output=True)
    for options, *arguments in edits:
        for at, word in enumerate(arguments):
            if word.startswith("&"):
                arguments[at] = subprocess.run(["fdtget", "-t", "x", path, word[1:], "phandle"],
                                               check=True, capture_output=True, text=True).stdout.strip()
        subprocess.run(["fdtput", *options.split(), path, *arguments], check=True)


class Guest:
    def __init__(self, kernel, initramfs, logs, smp=2, append="", dtb=None, trace="pl061_*", extra=()):
        os.makedirs(logs, exist_ok=True)
        self.logs = logs
        self.console = f"{logs}/console"
        self.trace = f"{logs}/trace"
        self.count = 0
        self.buffer = b""
        self.qtest_lock = threading.Lock()
        self.dir = tempfile.mkdtemp(prefix="pl061.")
        for path in (self.console, self.trace):
            open(path, "w").close()
        command = [
            "setpriv", "--pdeathsig", "KILL",
            "qemu-system-aarch64", *MACHINE, "-accel", "tcg", "-smp", str(smp), "-no-reboot",
            "-kernel", kernel, "-initrd", initramfs,
            "-append", f"console=ttyAMA0 kunit.enable=0 panic=-1 {append}".strip(),
            "-serial", f"file:{self.console}",
            "-qmp", f"unix:{self.dir}/qmp,server=on,wait=off",
            "-qtest", f"unix:{self.dir}/qtest,server=on,wait=off", "-qtest-log", "/dev/null",
            "-chardev", f"socket,id=commands,path={self.dir}/commands,server=on,wait=off",
            "-device", "virtio-serial-device", "-device", "virtconsole,chardev=commands",
            *(["-trace", f"enable={trace}", "-D", self.trace] if trace else []),
            *(["-dtb", dtb] if dtb else []), *extra,
        ]
        self.qmp = None
        with open(f"{logs}/qemu", "w") as log:
            self.qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self.commands = self._connect("commands")
            self.qtest = self._connect("qtest")
            self.qmp = QEMUMonitorProtocol(f"{self.dir}/qmp")
            self.qmp.connect()
            self._answer("ready", 300)
            self.pl061 = self._find("pl061")
        except BaseException:
            self.close()
            raise

    def _connect(self, name, timeout=30):
        deadline = time.monotonic() + timeout
        while True:
            link = socket.socket(socket.AF_UNIX)
            try:
                link.connect(f"{self.dir}/{name}")
                return link
            except OSError:
                link.close()
                if self.qemu.poll() is not None or time.monotonic() > deadline:
                    raise GuestError(f"QEMU did not start, see {self.logs}/qemu") from None
                time.sleep(0.05)

    def _find(self, kind):
        for item in self.qmp.cmd("qom-list", path="/machine/unattached"):
            if item["type"] == f"child<{kind}>":
                return f"/machine/unattached/{item['name']}"
        raise GuestError(f"the machine has no {kind}")

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
            if not data:
                raise GuestError(f"the guest is gone, see {self.console}")
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
        while True:
            _, output = self.run(command, timeout)
            if re.search(text, output):
                return True, output
            if time.monotonic() > deadline:
                return False, output

    def _qtest(self, command):
        reply = b""
        try:
            with self.qtest_lock:
                self.qtest.settimeout(30)
                self.qtest.sendall(command.encode() + b"\n")
                while not reply.endswith(b"\n"):
                    data = self.qtest.recv(4096)
                    if not data:
                        raise GuestError(f"QEMU is gone, see {self.console}")
                    reply += data
        except OSError as error:
            raise GuestError(f"qtest: {command}: {error}, see {self.console}") from None
        if not reply.startswith(b"OK"):
            raise GuestError(f"qtest: {command}: {reply.decode().strip()}")
        return reply.decode().split()[1:]

    def drive(self, line, level):
        """Drive an input line of the PL061 from outside."""
        self._qtest(f"set_irq_in {self.pl061} unnamed-gpio-in {line} {level}")

    def register(self, offset):
        """Read a register of the PL061 from outside."""
        return int(self._qtest(f"readb {PL061 + offset:#x}")[0], 16)

    def write(self, offset, value):
        """Write a register of the PL061 from outside."""
        self._qtest(f"writeb {PL061 + offset:#x} {value:#x}")

    def word(self, address):
        """Read a word of memory from outside."""
        return int(self._qtest(f"readl {address:#x}")[0], 16)

    def write_word(self, address, value):
        """Write a word of memory from outside."""
        self._qtest(f"writel {address:#x} {value:#x}")

    def mark(self):
        """A place in the trace, for `accesses`."""
        return os.path.getsize(self.trace)

    def mark_console(self):
        """A place on the console, for `wait_console`."""
        return os.path.getsize(self.console)

    def accesses(self, mark, end=None):
        """What the guest has read from and written to the PL061 since `mark`, up to `end`."""
        with open(self.trace) as trace:
            trace.seek(mark)
            return [f"{'r' if kind == 'read' else 'w'} {int(offset, 16):03x} {int(value, 16):02x}"
                    for kind, offset, value in re.findall(
                        r"pl061_(read|write) \S+ offset (0x\w+) value (0x\w+)", trace.read(end and end - mark))]

    def wait_console(self, text, start=0, timeout=60):
        """Wait until `text` is on the console, from byte `start`."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            with open(self.console, errors="replace") as console:
                console.seek(start)
                if re.search(text, console.read()):
                    return True
            time.sleep(0.05)
        return False

    def outputs(self):
        """Levels that the PL061 has put on its output lines, from the trace."""
        levels = {}
        with open(self.trace) as trace:
            for line in trace:
                if found := re.search(r"pl061_set_output .*setting output (\d+) to (\d)", line):
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
        # (QEMU may have gone by itself.)
        if self.qmp:
            with contextlib.suppress(EOFError, OSError, QMPError):
                self.qmp.close()
        if self.qemu.poll() is None:
            self.qemu.kill()
        self.qemu.wait()
        shutil.rmtree(self.dir, ignore_errors=True)
