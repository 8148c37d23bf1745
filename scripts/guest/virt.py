# SPDX-License-Identifier: GPL-2.0
"""QEMU's arm64 machine `virt`: how it is started."""


def machine(*options, cpu="cortex-a57", memory=1024, smp=1):
    """The machine itself. Options as for -M."""
    return ["qemu-system-aarch64", "-M", ",".join(("virt", *options)), "-cpu", cpu, "-m", str(memory),
            "-smp", str(smp), "-nodefaults", "-display", "none"]


def booting(kernel, initramfs, serial, append=""):
    """What it does: boot, with its console at `serial`, and end at a reboot."""
    return ["-accel", "tcg", "-no-reboot", "-serial", serial,
            "-kernel", str(kernel), "-initrd", str(initramfs),
            "-append", f"console=ttyAMA0 panic=-1 {append}".strip()]
