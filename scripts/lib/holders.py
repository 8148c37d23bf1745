#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Name the processes that have a lock file open.

Usage: scripts/lib/holders.py FILE
"""
import os
import sys


def named(path):
    """What they are, and how they are ended."""
    path, found = os.path.realpath(path), {}
    for pid in {*filter(str.isdigit, os.listdir("/proc"))} - {str(os.getpid()), str(os.getppid())}:
        try:
            if any(os.path.realpath(f"/proc/{pid}/fd/{fd}") == path for fd in os.listdir(f"/proc/{pid}/fd")):
                with open(f"/proc/{pid}/cmdline", errors="replace") as file:
                    # (Of paths, the last part tells most.)
                    found[pid] = " ".join(word.rpartition("/")[2] for word in file.read().split("\0")).strip()
        except OSError:
            continue        # (gone, or somebody else's)
    # (Not by its group: that may be the one of a caller who has no job control. Some only wait.)
    return "; ".join(f"process {pid} ({command:.60}): 'kill {pid}' ends it" for pid, command in found.items()) or "another run"


if __name__ == "__main__":
    print(named(sys.argv[1]))
