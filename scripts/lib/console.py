# SPDX-License-Identifier: GPL-2.0
"""Find what the kernel complained about in a console log, and the KUnit test it fell into.
KUnit itself calls a test that splats passed."""
import re
from dataclasses import dataclass

START = re.compile(
    r"------------\[ cut here \]|WARNING: |BUG: |BUG at |Kernel panic|Internal error|"
    r"Unable to handle kernel|Oops|UBSAN: |INFO: task .* blocked|INFO: lockdep is turned off|"
    r"INFO: (possible|inconsistent|trying to register)|rcu: INFO|suspicious RCU|"
    r"DEBUG_LOCKS_WARN_ON|Invalid wait context|unable to allocate memory for|kmemleak: \d|"
    r"scheduling while atomic|panicked at|refcount_t: |list_(add|del) corruption|"
    r"soft lockup|hard LOCKUP|self-detected stall|detected stalls|softirq: huh|NOHZ tick-stop error|"
    r"nobody cared|BUG [\w-]+ \(|SError Interrupt|Bad mode in|Insufficient stack space|"
    r"Unexpected kernel BRK|csd: Detected|unexpected IRQ trap|genirq: Flags mismatch|"
    r"exited with irqs disabled|preemption imbalance|Out of memory|not an immutable chip|"
    r"\btest_\w+: .* ret=-?\d+|Call trace:|Call Trace:")
VAGUE = re.compile(r"cut here|Call [tT]race:")
END = re.compile(r"---\[ end trace")
RESULT = re.compile(r"^ {4}(?:not )?ok \d+ (\S+)")
STAMP = re.compile(r"^\[ *\d+\.\d+\](\[ *[TC]\d+\])? ?")


@dataclass
class Splat:
    line: int
    title: str
    test: str = ""

    def __str__(self):
        return f"line {self.line}: {self.title}" + (f" (in {self.test})" if self.test else "")


def scan(lines):
    """Return the splats in an iterable of console lines."""
    splats, pending, current, left = [], [], None, 0
    for number, line in enumerate(lines, 1):
        line = STAMP.sub("", line.rstrip())
        result = RESULT.match(line)
        if result:
            for splat in pending:
                splat.test = result[1]
            pending, current = [], None
            continue
        left -= 1
        if current and (END.search(line) or left < 0):
            current = None
        if not START.search(line):
            continue
        if current and (VAGUE.search(line) or VAGUE.search(current.title)):
            if VAGUE.search(current.title) and not VAGUE.search(line):
                current.title = line.strip()
            continue
        current, left = Splat(number, line.strip()), 120
        splats.append(current)
        pending.append(current)
    return splats
