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
import table
from env import CACHE, LOGS, TOP, usage_error
from tap import Tap

HERE = Path(__file__).parent
DIFFERENCES = HERE / "differences"
IMAGE = "arch/arm64/boot/Image.gz"
PROGRAMS = ("busybox", "gpiodetect", "gpioget", "gpioinfo", "gpiomon", "gpionotify", "gpioset")
LIBRARIES = ("ld-linux-aarch64.so.1", "libc.so.6", "libgpiod.so.3", "libgcc_s.so.1")
MODULES = {"c": "gpio-pl061", "rust": "gpio_pl061_rust"}
# What is done, and which options it takes.
DOES = {"": ("driver", "compare", "flavour", "defconfig", "build"),
        "torture": ("driver", "seconds", "seed"),
        "shell": ("driver", "flavour", "acpi"),
        "drive": (),
        "write": ()}


def given(arguments) -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for name in ("--driver", "--flavour", "--seconds", "--seed"):
        parser.add_argument(name, nargs="?", const="none", default="")
    for name in ("--compare", "--defconfig", "--build", "--torture", "--shell", "--acpi", "--write"):
        parser.add_argument(name, action="store_true")
    parser.add_argument("--drive", nargs="+", default=[])
    parser.error = usage_error
    asked, unknown = parser.parse_known_args(arguments)
    if unknown:
        usage_error(f"unknown argument '{unknown[0]}'")
    asked.does = next((name for name in DOES if name and getattr(asked, name)), "")
    for name, value in vars(asked).items():
        if value and name not in ("does", asked.does, *DOES[asked.does]):
            usage_error(f"--{name} does not go with {f'--{asked.does}' if asked.does else 'the scenario'}")
    if asked.compare and asked.driver:
        usage_error("--compare runs both drivers")
    asked.driver = asked.driver or "rust"
    if asked.driver not in MODULES:
        usage_error("--driver is c or rust")
    if not re.fullmatch("[0-9]*", asked.seconds + asked.seed):
        usage_error("--seconds and --seed take a number")
    if asked.build and (asked.compare or not asked.defconfig):
        usage_error("--build goes with --defconfig, and takes one driver")
    if asked.flavour and asked.defconfig:
        usage_error("--defconfig has a configuration of its own")
    if not all(re.fullmatch("[0-7]=[01]", change) for change in asked.drive):
        usage_error("--drive takes LINE=LEVEL, of lines 0 to 7")
    # Each kind of run has logs and images of its own.
    asked.kind = Path("boot", *filter(None, (asked.flavour, asked.torture and "torture", asked.defconfig and "defconfig",
                                             asked.build and "build")))
    # All guests, or those that take a few minutes.
    asked.all = bool(asked.compare or asked.flavour)
    if asked.flavour and not {"boot", "acpi"} <= {path.stem for path in build.flavour(asked.flavour).files}:
        usage_error(f"flavour {asked.flavour} has not what the guests need: fragments boot and acpi")
    asked.flavour = asked.flavour or "lockdep"
    return asked


class Kernels:
    """The kernels with one driver, and what they boot with."""

    def __init__(self, driver: str, asked: argparse.Namespace):
        self.driver, self.asked = driver, asked
        self.flavour, self.o = build.flavour(asked.flavour), CACHE / "o" / asked.flavour
        self.logs, self.images = LOGS / asked.kind / driver, CACHE / asked.kind / driver
        self.choice = ("pl061-c",) if driver == "c" else ()
        shutil.rmtree(self.logs, ignore_errors=True)
        self.logs.mkdir(parents=True)
        self.images.mkdir(parents=True, exist_ok=True)

    def keep(self, image: Path, name: str) -> None:
        new = self.images / f"{name}.kernel.new"
        shutil.copyfile(image, new)
        new.replace(self.images / f"{name}.kernel")

    def build(self, name: str, o: Path, targets, files) -> None:
        build.kernel("boot", self.logs, name, o, targets, files, self.flavour)
        self.keep(o / IMAGE, name)

    def keys(self) -> Path:
        """A table of ACPI, compiled."""
        table = self.images / "keys.aml"
        table.unlink(missing_ok=True)
        log = self.logs / "iasl.log"
        if env.run("boot: table of ACPI", log, ["iasl", "-p", table.with_suffix(""), HERE / "keys.asl"]):
            env.die(1, f"iasl failed: {log}")
        return table

    def initramfs(self, name: str, files=None) -> None:
        guest = initramfs.PROGRAMS
        files = {"init": TOP / "scripts/guest/init", "usr/bin/guest-torture": HERE / "guest-torture",
                 "usr/share/keys.aml": self.keys(),
                 **{f"usr/bin/{program}": guest / "bin" / program for program in PROGRAMS},
                 **{f"usr/lib/aarch64-linux-gnu/{library}": guest / "lib/aarch64-linux-gnu" / library
                    for library in LIBRARIES if (guest / "lib/aarch64-linux-gnu" / library).exists()}, **(files or {})}
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

    def modular(self) -> None:
        # (Suites of KUnit need a driver that is built in.)
        fragments = (path.stem for path in self.flavour.files)
        self.module("module", self.o, *(name for name in fragments if name != "pl061-kunit"), "module")

    def defconfig(self) -> None:
        # (What the fragment switches off keeps a small configuration small.)
        boot = self.logs / "boot.config"
        lines = (build.FRAGMENTS / "boot.config").read_text().splitlines(keepends=True)
        boot.write_text("".join(line for line in lines if line.endswith("=y\n")))
        self.build("builtin", CACHE / "o/defconfig", ["Image.gz"],
                   [build.WORK / "arch/arm64/configs/defconfig", boot,
                    *build.flavour("rust", "pl061", *self.choice).files])

    def builtin(self) -> None:
        if self.asked.defconfig:
            child = env.start([HERE / "run", "--driver", self.driver, "--defconfig", "--build"])
            if status := env.wait(child):
                sys.exit(status)
            self.keep(CACHE / self.asked.kind / "build" / self.driver / "builtin.kernel", "builtin")
        else:
            self.build("builtin", self.o, ["Image.gz"], build.flavour(self.asked.flavour, *self.choice).files)
        self.initramfs("builtin")

    def scenario(self, indent: str = "") -> Tap:
        import scenario     # (with qemu.qmp, which may have come just now)
        # The objects of scripts/kunit serve both kernels. Each change of the configuration
        # builds all that is Rust anew, so the first kernel is the one that it has left.
        for step in (self.builtin, self.modular) if self.driver == "rust" else (self.modular, self.builtin):
            step()
        guests = [name for name, machine in scenario.GUESTS.items() if self.asked.all or not machine.more]
        env.say(f"boot: {self.logs}/tap; console and trace of each guest in {self.logs}/*/")
        tap = scenario.boot(self.driver, self.images, DIFFERENCES, self.logs, guests, indent)
        self.result(tap.guests)
        return tap

    def torture(self) -> Tap:
        import torture
        self.module("torture", CACHE / "o/torture", "rust", "boot", "pl061", "module", "torture")
        env.say(f"boot: {self.logs}/tap; consoles in {self.logs}/*/")
        tap = torture.boot(self.images, int(self.asked.seconds or 60), int(self.asked.seed or time.time()), self.logs)
        self.result(tap.guests)
        return tap

    def result(self, guests) -> None:
        """For `--write`."""
        kind = self.asked.torture and "torture" or self.asked.defconfig and "defconfig" or self.asked.flavour
        table.keep(self.logs / "result.json", kind, self.driver, guests)


def both(asked: argparse.Namespace) -> Tap:
    """Both drivers, and what was recorded of them, as subtests."""
    logs = LOGS / asked.kind
    whole = Tap()
    whole.say("TAP version 14")
    parts = {f"driver in {driver}": lambda indent, driver=driver: Kernels(driver, asked).scenario(indent)
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
    if asked.drive:
        initramfs.qmp()
        import chip
        import shell
        shell.drive(chip.Chip(), [change.split("=") for change in asked.drive])
        return 0
    env.snapshot()
    if asked.write:
        return table.write()
    initramfs.ready("fdtput", "fdtget", "iasl", build.llvm("llvm-cxxfilt"), programs=PROGRAMS)
    env.lock("lock.defconfig" if asked.build else "lock")
    env.need_space(4000)
    build.work_at(build.tip()[1])
    kernels = None if asked.compare else Kernels(asked.driver, asked)
    if asked.build:
        kernels.defconfig()
        return 0
    if asked.shell:
        import scenario
        import shell
        kernels.builtin()
        shell.run(kernels.images / "builtin.kernel", kernels.images / "builtin.initramfs",
                  *((scenario.ACPI, "acpi=force") if asked.acpi else ()))
    try:
        tap = both(asked) if asked.compare else kernels.torture() if asked.torture else kernels.scenario()
    except compare.DifferencesError as error:
        env.die(2, error)
    return 1 if tap.failed else 0


if __name__ == "__main__":
    env.main(main)
