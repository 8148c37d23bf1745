# SPDX-License-Identifier: GPL-2.0
"""Try to break a PL061 driver, a module, while its lines change all the time.

In two guests: CPUs that take turns, and CPUs that run in parallel. In each, rounds
of each kind come in the random order of a seed for half of the seconds; each kind
comes once, and each allocation of probe fails once, even if that takes longer.
Stops at the first round that fails. Called by boot.py.

How long a guest may take for an answer depends on how long it took to boot. One that
does not answer, and has no splat on its console, is booted once more, with the same
seed. Nothing else is tried again.
"""
import random
import re
import threading
import time

import env
import machine
from chip import ChipGuest
from console import scan
from machine import GuestError
from machine import NoAnswer
from tap import Tap

# Lines that change all the time; one that changes when the change before it has
# been seen; one that is an output and changes, one that is an output.
FLAPPING, SINGLE, TOGGLED, HELD = (0, 1, 2, 5), 4, 6, 7
# Time goes by instructions, 4 ns each, and CPUs take turns: a busy host is no fault, and
# what a seed does is nearly the same each time. Or CPUs run in parallel, where watchdogs
# have to be patient, as CPUs that spin for each other get nowhere on a busy host.
MODES = {"turns": ("", ("-icount", "shift=2")),
         "parallel": ("watchdog_thresh=60 rcupdate.rcu_cpu_stall_timeout=120", ())}
# Seconds for an answer: this many times what boot took, but longer than the kernel waits
# until it tells of a task that hangs.
PATIENCE, LEAST = 20, 180
FAILSLAB = "/sys/kernel/debug/failslab"
TIMES = 1000000000


class Failed(GuestError):
    """A round has failed."""


class Flapper(threading.Thread):
    """Changes lines from outside until it is stopped."""

    def __init__(self, guest, seed):
        super().__init__(daemon=True)
        self.guest = guest
        self.random = random.Random(seed)
        self.level = {line: 0 for line in FLAPPING}
        self.edges = {line: 0 for line in FLAPPING}
        self.running = True
        self.error = None
        self.paused = threading.Lock()

    def run(self):
        try:
            while self.running:
                with self.paused:
                    # A burst, mostly of one line: edges meet the handler of the one before.
                    for line in self.random.choices(FLAPPING, k=self.random.randint(1, 8)):
                        self.level[line] ^= 1
                        self.edges[line] += 1
                        self.guest.drive(line, self.level[line])
                # More would keep a guest on a slow host from doing anything else.
                time.sleep(self.random.uniform(0, 0.04))
        except GuestError as error:
            self.error = error


class Sweep:
    """Allocations that fail one after the other, every STEPth, until there is none left.

    A further sweep begins elsewhere.
    """

    def __init__(self, what, step, rng):
        self.what = what
        self.step = step
        self.random = rng
        self.starts = []
        self.n = None
        self.sweeps = self.failed = 0
        self.done = set()
        self.survived = 0

    def next(self):
        """Which allocation is to fail."""
        if self.n is None:
            if not self.starts:
                self.starts = self.random.sample(range(1, self.step + 1), self.step)
            self.n = self.starts.pop()
        return self.n

    def result(self, n, reached, bound):
        if not reached:
            self.sweeps += 1
            self.n = None
            return
        self.done.add(n)
        self.n = n + self.step
        if bound:
            self.survived += 1
        else:
            self.failed += 1

    def report(self):
        return (f"# faults injected into {self.what}: {self.failed + self.survived}, of {len(self.done)} allocations, "
              f"{self.sweeps} sweeps of one in {self.step}: {self.failed} times no chip, {self.survived} times a chip")


class Torture:
    def __init__(self, mode, guest, flapper, rng, timeout):
        self.mode = mode
        self.guest = guest
        self.flapper = flapper
        self.timeout = timeout
        # Of its own time, where that goes with ours.
        self.limit = 60 if mode == "turns" else timeout // 3
        self.random = rng
        self.level = 0
        self.before = {}
        self.holders = []
        self.counts = dict.fromkeys((
            "binds", "module loads", "freezes", "edges driven alone", "events seen, driven alone",
            "edges of flapping lines, while monitored", "events seen, of flapping lines",
            "holders that saw ENODEV"), 0)
        # Loading a module takes many allocations: a sweep lets one in 64 of them fail.
        self.sweeps = Sweep("bind", 1, rng), Sweep("load", 64, rng)

    def run(self, command, patience=1):
        """Run a command in the guest, which has to succeed; return its output."""
        status, output = self.guest.run(command, patience * self.timeout)
        if status:
            raise Failed(f"{command}: status {status}\n{output}")
        return output

    def until(self, what, command, text):
        found, output = self.guest.until(command, text, self.timeout)
        if not found:
            raise Failed(f"{what}: {output}")
        return output

    def torture(self, command, patience=1):
        return self.run(f"limit={self.limit} guest-torture {command}", patience)

    # Holders of lines.

    def hold(self):
        """Start those who hold lines, and wait until they do."""
        chip = self.torture("chip")
        self.holders = []
        with self.flapper.paused:
            self.before = dict(self.flapper.edges)
        flapping = " ".join(map(str, FLAPPING))
        for name, command in (("flapping", f"gpiomon -c {chip} -e both --format='%o %E' {flapping}"),
                              ("single", f"gpiomon -c {chip} -e both --format='%o %E' {SINGLE}"),
                              ("toggle", f"gpioset -c {chip} -t 3ms,5ms {TOGGLED}=1"),
                              ("held", f"gpioset -c {chip} {HELD}=1")):
            self.run(f"{command} >/tmp/{name} 2>/tmp/{name}.err & echo $! >/tmp/{name}.pid")
            self.holders.append(name)
        self.until("lines are not held", f"gpioinfo -c {chip} | grep -c consumer=", rf"^{len(FLAPPING) + 3}$")

    def pids(self, names):
        return " ".join(f"$(cat /tmp/{name}.pid)" for name in names)

    def wait_gone(self, names, what):
        self.until(what, f"for p in {self.pids(names)}; do [ ! -d /proc/$p ] || cat /proc/$p/status; done; "
                         "echo gone", "^gone$")

    def release(self):
        """Those who hold lines let go of them."""
        self.guest.run(f"kill -KILL {self.pids(self.holders)}")
        self.wait_gone(self.holders, "who held a line does not go")
        self.holders = []

    def single_edges(self):
        """Each edge that is driven alone is seen exactly once, whatever the other lines do."""
        for _ in range(self.random.randint(2, 6)):
            expected = len(self.run("cat /tmp/single").splitlines()) + 1
            self.level ^= 1
            self.guest.drive(SINGLE, self.level)
            self.counts["edges driven alone"] += 1
            found, seen = self.guest.until("cat /tmp/single", rf"(\w+ \w+\s*){{{expected}}}", self.timeout)
            if not found or seen.split("\n")[-1] != f"{SINGLE} {'rising' if self.level else 'falling'}":
                raise Failed(f"edge {expected} of line {SINGLE}, to level {self.level}: seen {seen}")

    def settle_single(self):
        events = self.run("cat /tmp/single").splitlines()
        self.counts["events seen, driven alone"] += len(events)

    def flapping_edges(self):
        """No more events than edges, and the last event of each line tells its level."""
        with self.flapper.paused:
            driven = {line: self.flapper.edges[line] - self.before[line] for line in FLAPPING}
            deadline = time.monotonic() + self.timeout
            while True:
                events = [event.split() for event in self.run("cat /tmp/flapping").splitlines()]
                last = {int(line): edge for line, edge in events}
                late = {line for line in FLAPPING
                        if last.get(line, "") != ("rising" if self.flapper.level[line] else "falling")}
                if not late:
                    break
                if time.monotonic() > deadline:
                    raise Failed(f"the last edge of lines {late} was not seen")
            for line in FLAPPING:
                seen = sum(int(event[0]) == line for event in events)
                if seen > driven[line]:
                    raise Failed(f"line {line}: {driven[line]} edges, {seen} events")
            self.counts["edges of flapping lines, while monitored"] += sum(driven.values())
            self.counts["events seen, of flapping lines"] += len(events)

    # Kinds of rounds.

    def unbind(self):
        """Unbind while lines are held and change; who holds them gets ENODEV."""
        self.hold()
        self.single_edges()
        self.settle_single()
        self.flapping_edges()
        monitors = ("flapping", "single")
        self.torture("unbind")
        if chip := self.torture("chip"):
            raise Failed(f"{chip} is still there after unbind")
        for name in (*monitors, "toggle"):
            self.until(f"{name} does not see that its chip is gone", f"tail -n 1 /tmp/{name}.err", "No such device")
            self.counts["holders that saw ENODEV"] += 1
        # (gpioset goes on for all that.)
        self.wait_gone(monitors, "gpiomon does not end when its chip is gone")
        self.release()
        self.torture("bind")
        self.torture("works")
        self.counts["binds"] += 1

    def fire(self):
        """Unbind and bind again and again while lines change."""
        times = self.random.randint(3, 10)
        self.torture(f"fire {times}")
        self.counts["binds"] += times

    def rebind(self):
        """Unbind and bind again, often, while lines change."""
        times = self.random.randint(100, 300)
        self.torture(f"rebind {times}", 2)
        self.counts["binds"] += times

    def reload(self):
        """Remove the module while edges come and the last user goes, and load it again."""
        times = self.random.randint(1, 4)
        self.torture(f"reload {times}")
        self.counts["module loads"] += times
        self.counts["binds"] += times

    def freeze(self):
        """Freeze while lines are held and change; nothing is lost, before and after."""
        self.hold()
        self.single_edges()
        for _ in range(self.random.randint(1, 3)):
            self.run("echo devices >/sys/power/pm_test && echo freeze >/sys/power/state")
            self.counts["freezes"] += 1
            self.single_edges()
        self.settle_single()
        self.flapping_edges()
        self.release()

    def fail(self, sweep, at_once):
        """Let the next few allocations of a sweep fail, one each time."""
        for line in self.torture(f"faults {sweep.what} {sweep.next()} {sweep.step} {at_once}", 2).splitlines():
            found = re.fullmatch(r"(\d+) (\d+) ([01]) ([01])(?: (.*))?", line)
            if not found or found[4] == "0":
                raise Failed(f"allocations fail: {line}")
            n, reached, bound = int(found[1]), int(found[2]), found[3] == "1"
            if not reached and not bound:
                raise Failed(f"fails although no allocation does: {line}")
            self.counts["binds"] += 2 - bound
            if sweep.what == "load":
                self.counts["module loads"] += 2 - bound
            sweep.result(n, reached, bound)

    def bind_faults(self):
        """Let the next few allocations of probe fail."""
        self.fail(self.sweeps[0], 8)

    def load_faults(self):
        """Let some allocations of loading the module fail, which are many."""
        self.fail(self.sweeps[1], 3)

    def leaks(self, tap):
        """Check that kmemleak finds nothing."""
        for _ in range(2):
            self.run("echo scan >/sys/kernel/debug/kmemleak")
        found = re.split(r"^(?=unreferenced object)", self.run("cat /sys/kernel/debug/kmemleak"), flags=re.M)[1:]
        tap.check(f"{self.mode}: no leak", not found, "\n".join(found))


KINDS = (Torture.unbind, Torture.fire, Torture.rebind, Torture.reload, Torture.freeze, Torture.bind_faults, Torture.load_faults)


def prepare(torture):
    """Load the driver, and take the power key from its line."""
    torture.torture("load")
    torture.until("no power key", "gpioinfo -c $(guest-torture chip)", "GPIO Key Poweroff")
    torture.run("echo gpio-keys >/sys/bus/platform/drivers/gpio-keys/unbind")
    torture.run("echo 0 >/sys/module/suspend/parameters/pm_test_delay")
    # A failed allocation is told in one line, without a trace that looks as a splat does.
    torture.run(f"cd {FAILSLAB} && echo N >ignore-gfp-wait && echo 1 >verbose && echo {TIMES} >times")
    torture.run("echo clear >/sys/kernel/debug/kmemleak")


def rounds(torture, tap, seconds, rng):
    """Each kind once, any kind until the time is over, and what is left of the first sweep."""
    first = list(KINDS)
    rng.shuffle(first)
    began, number = time.monotonic(), 0
    while True:
        if first:
            kind = first.pop()
        elif time.monotonic() < began + seconds:
            kind = rng.choice(KINDS)
        elif not torture.sweeps[0].sweeps:
            kind = Torture.bind_faults
        else:
            return True
        number += 1
        try:
            kind(torture)
            if torture.flapper.error:
                raise torture.flapper.error
        except Failed as error:
            tap.check(f"{torture.mode}: round {number}: {kind.__name__}", False, error)
            return False
        tap.check(f"{torture.mode}: round {number}: {kind.__name__}", True)


def run(torture, tap, seconds, rng):
    prepare(torture)
    torture.flapper.start()
    try:
        fine = rounds(torture, tap, seconds, rng)
    finally:
        torture.flapper.running = False
    torture.flapper.join()
    if not fine:
        return
    mode = torture.mode
    seen, driven = (torture.counts[name] for name in ("events seen, driven alone", "edges driven alone"))
    tap.equal(f"{mode}: each edge that was driven alone was seen once", seen, driven)
    tap.check(f"{mode}: each allocation of probe has failed once", torture.sweeps[0].sweeps)
    torture.leaks(tap)
    tap.check(f"{mode}: power off", torture.guest.power_off(torture.timeout))
    tap.say(*(f"# {name}: {count}" for name, count in torture.counts.items()),
            *(sweep.report() for sweep in torture.sweeps))


def once(tap, mode, images, seconds, seed, logs, again):
    """Boot a guest, and try. Return the number of binds, or None where all is to be done again."""
    append, extra = MODES[mode]
    late = torture = None
    began = time.monotonic()
    try:
        guest = ChipGuest(f"{images}/torture.kernel", f"{images}/torture.initramfs", logs, smp=4,
                          append=f"no_console_suspend {append}", trace=False, extra=extra)
        try:
            timeout = max(LEAST, PATIENCE * int(time.monotonic() - began))
            tap.check(f"{mode}: boot to user space", True)
            tap.say(f"# {mode}: an answer may take {timeout} s")
            rng = random.Random(seed)
            torture = Torture(mode, guest, Flapper(guest, seed), rng, timeout)
            run(torture, tap, seconds, rng)
        finally:
            guest.close()
    except Exception as error:
        late = isinstance(error, NoAnswer) and machine.why(error, logs)
        if not late:
            tap.check(f"{mode}: guest", False, machine.why(error, logs))
    # Leaks have been checked.
    splats = [splat for splat in scan(env.read(f"{logs}/console").splitlines()) if not splat.title.startswith("kmemleak: ")]
    if late and not splats and not again:
        tap.say(f"# {mode}: late, once more: {late}")
        return None
    if late:
        tap.check(f"{mode}: guest", False, late)
    tap.say(f"# {mode}: splats: {len(splats)}")
    tap.check(f"{mode}: no splat on the console", not splats, "\n".join(map(str, splats)))
    return torture.counts["binds"] if torture else 0


def boot(images, seconds, seed, logs):
    """Boot the guests, and try; return the TAP."""
    with Tap(f"{logs}/tap") as tap:
        tap.say("TAP version 13", f"# seed {seed}")
        tap.guests = {}
        for mode in MODES:
            passed, failed = tap.passed, tap.failed
            for again in (False, True):
                binds = once(tap, mode, images, seconds / len(MODES), seed, f"{logs}/{mode}", again)
                if binds is not None:
                    break
            tap.guests[mode] = tap.passed - passed, tap.failed - failed, f"{binds} binds"
        tap.say(f"# binds, over both modes: {sum(int(note.split()[0]) for _, _, note in tap.guests.values())}")
        if tap.failed:
            # (On a full disk, all kinds of things go wrong.)
            env.need_space(50)
        tap.end()
    return tap
