# SPDX-License-Identifier: GPL-2.0
"""What a guest is made with: an initramfs, and the programs in it."""
from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import build
import env
from env import CACHE, TOP

PROGRAMS = Path(os.environ.get("GUEST") or CACHE / "guest-arm64/root") / "usr"


def pack(path: Path, files: dict[str, Path], links: dict[str, str]) -> None:
    """Write an initramfs (cpio's format newc): a copy of each file, and links."""
    items = {name: (0o120777, target.encode()) for name, target in links.items()}
    items |= {name: (0o100755, source.read_bytes()) for name, source in files.items()}
    folders = {str(parent) for name in items for parent in list(Path(name).parents)[:-1]}
    items |= {name: (0o040755, b"") for name in folders}
    new = path.with_name(f"{path.name}.new")
    with open(new, "wb") as archive:
        # (What is in a folder comes after it.)
        for inode, (name, (mode, data)) in enumerate([*sorted(items.items()), ("TRAILER!!!", (0, b""))], 1):
            fields = inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0
            head = b"070701" + "".join(f"{field:08x}" for field in fields).encode() + name.encode() + b"\0"
            for part in (head, data):
                archive.write(part + bytes(-len(part) % 4))
    new.replace(path)


def ready(*tools: str, programs=("busybox",)) -> None:
    """Have what commands need that build kernels and boot them."""
    env.prepared()
    build.need_tools("qemu-system-aarch64", *tools, *(str(PROGRAMS / "bin" / program) for program in programs))
    qmp()


def qmp() -> None:
    """Go on in a Python that has qemu.qmp."""
    if not importlib.util.find_spec("qemu"):
        # (The Python that has it may have come just now.)
        python = str(CACHE / "venv/bin/python3")
        if sys.executable == python or not os.path.exists(python):
            env.die(3, f"missing: qemu.qmp of {sys.executable}: install it, or run scripts/setup")
        os.environ["PYTHONPATH"] = f"{TOP}/scripts/lib:{TOP}/scripts/guest"
        os.execv(python, [python, "-s", *sys.argv])
