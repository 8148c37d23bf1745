#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Name the processes that have a lock file open.

Usage: scripts/lib/holders.py FILE
"""
import os
import sys


def holders(path):
    """[(pid, process group, command)] of the processes that have `path` open."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if any(os.path.realpath(f"/proc/{pid}/fd/{fd}") == path for fd in os.listdir(f"/proc/{pid}/fd")):
                with open(f"/proc/{pid}/cmdline", errors="replace") as file:
                    # (Of paths, the last part tells most.)
                    command = " ".join(word.rpartition("/")[2] for word in file.read().split("\0")).strip()
                found.append((int(pid), os.getpgid(int(pid)), command))
        except OSError:
            continue        # (gone, or somebody else's)
    return [holder for holder in found if holder[0] not in (os.getpid(), os.getppid())]


def named(path):
    return "; ".join(f"process {pid} ({command:.60}), group {group}: 'kill -- -{group}' ends it"
                     for pid, group, command in holders(os.path.realpath(path))) or "another run"


if __name__ == "__main__":
    print(named(sys.argv[1]))
