# SPDX-License-Identifier: GPL-2.0
"""Build what scripts/bench runs, and run it; see run."""
from __future__ import annotations

import re
import shutil
from pathlib import Path

import build
import env
import initramfs
import report
from env import CACHE, LOGS

HERE = Path(__file__).parent
BENCH, OUT = CACHE / "bench", LOGS / "bench"
# Besides what is in ci/bench/.
SOURCES = "gpio/gpio-pl061.c", "gpio/gpio_pl061_rust.rs", "gpu/drm/drm_exec.c"


def modules(name: str, o: Path, folder: Path, of: build.Flavour) -> None:
    log = OUT / f"{name}.module.log"
    # Clippy turns optimisations off: what it has built is not measured.
    for clippy in ("CLIPPY=1", "CLIPPY="):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(HERE, folder)
        for source in SOURCES:
            shutil.copy(build.WORK / "drivers" / source, folder)
        log.unlink(missing_ok=True)
        failed = env.run(f"bench: {name}: modules", log,
                         build.make(o, f"-j{env.JOBS}", clippy, f"M={folder}", "modules", of=of))
        found = [line for line in env.read(log).splitlines() if re.search("^warning|: warning:", line)]
        if failed or found:
            env.say("\n".join([*build.errors(log), *found][:5]))
            env.die(1, f"the modules do not build, or with warnings: {log}")


def kernel(name: str, o: Path, *flavours: str) -> str:
    """Kernel, modules and initramfs, as report.py takes them."""
    of = build.flavour(*flavours) if flavours else build.DEFAULT
    files = [build.FRAGMENTS / f"{fragment}.config" for fragment in ("rust", "bench", "pl061", "module", *flavours)]
    build.kernel("bench", OUT, name, o, ["Image", "modules"], files, of, clippy=False)
    folder = BENCH / name
    modules(name, o, folder / "module", of)
    initramfs.pack(folder / "initramfs",
                   {"init": HERE / "init", "bin/busybox": initramfs.PROGRAMS / "bin/busybox",
                    **{path.name: path for path in (folder / "module").glob("*.ko")}},
                   {f"bin/{applet}": "busybox" for applet in ("sh", "insmod", "rmmod", "poweroff")})
    return f"{name}:{o}:{folder}"


def main(arguments) -> int:
    for word in arguments:
        if word.startswith("-") and word != "--write":
            env.usage_error(f"unknown argument '{word}'")
        if word != "--write":
            env.die(2, f"unknown name '{word}': --write is all that it takes")
    env.snapshot()
    initramfs.ready(build.llvm("llvm-size"), build.llvm("llvm-nm"))
    build.need_tools(of=build.flavour("inline"))
    env.lock()
    env.need_space(4000)
    build.work_at(build.commits()[-1][0])
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    called = kernel("called", CACHE / "o/bench")
    # The C part is the same.
    build.objects_of("bench", CACHE / "o/bench-inline")
    inlined = kernel("inlined", CACHE / "o/bench-inline", "inline")
    status = report.main([*arguments[:1], "--logs", str(OUT), called, inlined])
    env.say(f"bench: results, chart, consoles and logs of the builds: {OUT}/")
    return status


if __name__ == "__main__":
    env.main(main)
