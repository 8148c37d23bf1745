# SPDX-License-Identifier: GPL-2.0
"""A guest at the user's terminal, and what its chip's lines are driven with from another one.

Its sockets are in a folder, and named from there: an address has room for 107 bytes only.
"""
import os
import socket

from qemu.qmp import QMPError

import env
import virt
from machine import GuestError, Outside

FOLDER = env.CACHE / "boot"


def run(kernel, initramfs, options=(), append=""):
    """Become QEMU."""
    env.say("A shell in the guest. `exit` ends it, as does Ctrl-A X.")
    os.chdir(FOLDER)
    command = [*virt.machine(smp=2), *virt.booting(kernel, initramfs, "mon:stdio", f"quiet kunit.enable=0 shell=1 {append}"),
               "-qtest-log", "/dev/null", *(word for name in ("qtest", "qmp") for word in (f"-{name}", f"unix:{name},server=on,wait=off")),
               *options]
    os.execvp(command[0], command)


def drive(outside: Outside, changes):
    """Drive lines of the guest's chip: (line, level)."""
    with socket.socket(socket.AF_UNIX) as qtest:
        try:
            os.chdir(FOLDER)
            qtest.connect("qtest")
            outside.connect(qtest, "qmp")
        except (OSError, GuestError, QMPError) as error:
            env.die(2, f"no guest to drive ({error}): scripts/boot --shell in another terminal starts one")
        for line, level in changes:
            outside.drive(line, level)
        outside.qmp.close()
