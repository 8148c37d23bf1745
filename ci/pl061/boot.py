# SPDX-License-Identifier: GPL-2.0
"""Build the kernels of scripts/boot and boot them; see run."""
from __future__ import annotations

import argparse
import re
import shutil
import sys
import time
from pathlib import Path

import build
import compare
import env
import initramfs
from env import CACHE, LOGS, TOP, usage_error
from tap import Tap

HERE = Path(__file__).parent
DIFFERENCES = HERE / "differences"
IMAGE = "arch/arm64/boot/Image.gz"
PROGRAMS = ("busybox", "gpiodetect", "gpioget", "gpioinfo", "gpiomon", "gpionotify", "gpioset")
LIBRARIES = ("ld-linux-aarch64.so.1", "libc.so.6", "libgpiod.so.3", "libgcc_s.so.1")
MODULES = {"c": "gpio-pl061", "rust": "gpio_pl061_rust"}


def given(arguments) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name in ("--driver", "--seconds", "--seed"):
        parser.add_argument(name, nargs="?", const="none", default="")
    for name in ("--compare", "--defconfig", "--build", "--torture"):
        parser.add_argument(name, action="store_true")
    parser.error = usage_error
    asked, unknown = parser.parse_known_args(arguments)
    if unknown:
        usage_error(f"unknown argument '{unknown[0]}'")
    if asked.compare and asked.driver:
        usage_error("--compare runs both drivers")
    asked.driver = asked.driver or "rust"
    if asked.driver not in MODULES:
        usage_error("--driver is c or rust")
    if not re.fullmatch("[0-9]*", asked.seconds + asked.seed):
        usage_error("--seconds and --seed take a number")
    if asked.seconds + asked.seed and not asked.torture:
        usage_error("--seconds and --seed go with --torture")
    if asked.torture and asked.defconfig:
        usage_error("--torture has a configuration of its own")
    if asked.build and (asked.compare or not asked.defconfig):
        usage_error("--build goes with --defconfig, and takes one driver")
    if asked.torture and asked.compare:
        usage_error("--torture takes one driver")
    # Each kind of run has logs and images of its own.
    asked.kind = Path("boot", *(name for name in ("torture", "defconfig", "build") if getattr(asked, name)))
    return asked


class Kernels:
    """The kernels with one driver, and what they boot with."""

    def __init__(self, driver: str, kind: Path):
        self.driver, self.kind = driver, kind
        self.logs, self.images = LOGS / kind / driver, CACHE / kind / driver
        self.choice = ("pl061-c",) if driver == "c" else ()
        shutil.rmtree(self.logs, ignore_errors=True)
        self.logs.mkdir(parents=True)
        self.images.mkdir(parents=True, exist_ok=True)

    def keep(self, image: Path, name: str) -> None:
        new = self.images / f"{name}.kernel.new"
        shutil.copyfile(image, new)
        new.replace(self.images / f"{name}.kernel")

    def build(self, name: str, o: Path, targets, files) -> None:
        build.kernel("boot", self.logs, name, o, targets, files)
        self.keep(o / IMAGE, name)

    def keys(self) -> Path:
        """A table of ACPI, compiled."""
        table = self.images / "keys.aml"
        env.run("boot: table of ACPI", self.logs / "iasl.log", ["iasl", "-p", table.with_suffix(""), HERE / "keys.asl"])
        return table

    def initramfs(self, name: str, files=None) -> None:
        guest = initramfs.PROGRAMS
        files = {"init": TOP / "scripts/guest/init", "usr/bin/guest-torture": HERE / "guest-torture",
                 "usr/share/keys.aml": self.keys(),
                 **{f"usr/bin/{program}": guest / "bin" / program for program in PROGRAMS},
                 **{f"usr/lib/aarch64-linux-gnu/{library}": guest / "lib/aarch64-linux-gnu" / library
                    for library in LIBRARIES}, **(files or {})}
        initramfs.pack(self.images / f"{name}.initramfs", files,
                       {"bin": "usr/bin", "lib": "usr/lib",
                        f"usr/lib/{LIBRARIES[0]}": f"aarch64-linux-gnu/{LIBRARIES[0]}"})

    def module(self, name: str, o: Path, *fragments: str) -> None:
        """A kernel with the driver as a module, and its initramfs."""
        files = [build.FRAGMENTS / f"{fragment}.config" for fragment in (*fragments, *self.choice)]
        self.build(name, o, ["Image.gz", "modules"], files)
        release = (o / "include/config/kernel.release").read_text().strip()
        module = f"{MODULES[self.driver]}.ko"
        self.initramfs(name, {f"usr/lib/modules/{release}/{module}": o / "drivers/gpio" / module})

    def defconfig(self) -> None:
        # (What the fragment switches off keeps a small configuration small.)
        boot = self.logs / "boot.config"
        lines = (build.FRAGMENTS / "boot.config").read_text().splitlines(keepends=True)
        boot.write_text("".join(line for line in lines if line.endswith("=y\n")))
        self.build("builtin", CACHE / "o/defconfig", ["Image.gz"],
                   [build.WORK / "arch/arm64/configs/defconfig", boot,
                    *build.flavour("rust", "pl061", *self.choice).files])

    def builtin(self) -> None:
        if "defconfig" in self.kind.parts:
            child = env.start([HERE / "run", "--driver", self.driver, "--defconfig", "--build"])
            if status := env.wait(child):
                sys.exit(status)
            self.keep(CACHE / self.kind / "build" / self.driver / "builtin.kernel", "builtin")
        else:
            self.build("builtin", CACHE / "o/lockdep", ["Image.gz"], build.flavour("lockdep", *self.choice).files)
        self.initramfs("builtin")

    def scenario(self, indent: str = "") -> Tap:
        import scenario     # (with qemu.qmp, which may have come just now)
        # The objects of scripts/kunit serve both kernels. Each change of the configuration
        # builds all that is Rust anew, so the first kernel is the one that it has left.
        steps = [self.builtin, lambda: self.module("module", CACHE / "o/lockdep", "rust", "kunit", "boot",
                                                   "acpi", "pl061", "lockdep", "module")]
        for step in steps if self.driver == "rust" else reversed(steps):
            step()
        tap = scenario.boot(self.driver, self.images, DIFFERENCES, self.logs, indent=indent)
        env.say(f"boot: {self.logs}/tap; console and trace of each guest in {self.logs}/*/")
        return tap

    def torture(self, seconds: int, seed: int) -> Tap:
        import torture
        self.module("torture", CACHE / "o/torture", "rust", "boot", "pl061", "module", "torture")
        tap = torture.boot(self.images, seconds, seed, self.logs)
        env.say(f"boot: {self.logs}/tap; console in {self.logs}/")
        return tap


def both(kind: Path) -> Tap:
    """Both drivers, and what was recorded of them, as subtests."""
    logs = LOGS / kind
    whole = Tap()
    whole.say("TAP version 14")
    parts = {f"driver in {driver}": lambda indent, driver=driver: Kernels(driver, kind).scenario(indent)
             for driver in ("rust", "c")}
    parts["both"] = lambda indent: compare.compare(DIFFERENCES, logs / "c/record.json", logs / "rust/record.json",
                                                   logs / "compare.tap", indent)
    for number, (name, part) in enumerate(parts.items(), 1):
        whole.say(f"# Subtest: {name}")
        tap = part("    ")
        whole.say(f"{'not ok' if tap.failed else 'ok'} {number} - {name}")
        whole.passed += tap.passed
        whole.failed += tap.failed
    whole.say(f"1..{len(parts)}", f"{whole.passed} passed, {whole.failed} failed")
    return whole


def main(arguments) -> int:
    asked = given(arguments)
    env.snapshot()
    initramfs.ready("fdtput", "fdtget", "iasl", build.llvm("llvm-cxxfilt"), programs=PROGRAMS)
    env.lock("lock.defconfig" if asked.build else "lock")
    env.need_space(4000)
    build.work_at(build.commits()[-1][0])
    if asked.build:
        Kernels(asked.driver, asked.kind).defconfig()
        return 0
    try:
        if asked.compare:
            tap = both(asked.kind)
        elif asked.torture:
            tap = Kernels(asked.driver, asked.kind).torture(int(asked.seconds or 60), int(asked.seed or time.time()))
        else:
            tap = Kernels(asked.driver, asked.kind).scenario()
    except compare.DifferencesError as error:
        env.die(2, error)
    return 1 if tap.failed else 0


if __name__ == "__main__":
    env.main(main)
