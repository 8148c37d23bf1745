#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Name the processes that have a lock file open.

Usage: scripts/lib/holders.py FILE
"""
import os
import sys


def named(path):
    """Who they are, and how they are ended."""
    path, found = os.path.realpath(path), []
    for pid in {*filter(str.isdigit, os.listdir("/proc"))} - {str(os.getpid()), str(os.getppid())}:
        try:
            if any(os.path.realpath(f"/proc/{pid}/fd/{fd}") == path for fd in os.listdir(f"/proc/{pid}/fd")):
                with open(f"/proc/{pid}/cmdline", errors="replace") as file:
                    # (Of paths, the last part tells most.)
                    command = " ".join(word.rpartition("/")[2] for word in file.read().split("\0")).strip()
                group = os.getpgid(int(pid))
                found.append(f"process {pid} ({command:.60}), group {group}: 'kill -- -{group}' ends it")
        except OSError:
            continue        # (gone, or somebody else's)
    return "; ".join(found) or "another run"


if __name__ == "__main__":
    print(named(sys.argv[1]))
