# SPDX-License-Identifier: GPL-2.0
"""Configure and build what is in the work tree of the gates. By itself: make rustavailable."""
from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import env
from env import CACHE, TOP, die, read

WORK = Path(os.environ.get("SERIES_WORK", CACHE / "work"))
FRAGMENTS = TOP / "kconfig-fragments"
# What a build takes from the caller, if it is set; the rest is make's own default.
VARIABLES = ("RUSTC", "RUSTDOC", "RUSTFMT", "CLIPPY_DRIVER", "BINDGEN")
# ARCH: target of make, the kernel that it makes, QEMU, its arguments. (kunit.py takes -cpu max,
# whose pointer authentication is slow to emulate.)
ARCHES = {
    "arm64": ("Image.gz", "arch/arm64/boot/Image.gz", "aarch64", "-smp 4 -cpu cortex-a57"),
    "arm": ("zImage", "arch/arm/boot/zImage", "arm", "-smp 4"),
    "x86_64": ("bzImage", "arch/x86/boot/bzImage", "x86_64", "-smp 4"),
    "um": ("linux", "linux", "", ""),
}


@dataclass(frozen=True)
class Flavour:
    """A configuration. A line `# WITH a b` in a fragment names those that come before it,
    `# ARCH`, `# HOST`, `# RUSTC minimum` what it is built for, on and with, and `# LIKE` the
    flavour whose C is built the same way."""
    name: str
    files: tuple[Path, ...]
    arch: str = "arm64"
    host: str = ""
    like: str = ""
    minimum: bool = False


def marks(path: Path, mark: str) -> list[str]:
    """The words of the lines `# MARK words` of a fragment."""
    return [word for line in read(path).splitlines() if line.startswith(f"# {mark} ")
            for word in line.split()[2:]]


def flavours() -> list[str]:
    """Fragments that say of themselves that they are one."""
    return sorted(path.stem for path in FRAGMENTS.glob("*.config") if re.search("^# Flavour:", read(path), re.M))


def flavour(*names: str) -> Flavour:
    """The configuration of some fragments, each after those that it names; named after the last one."""
    paths: list[Path] = []
    seen: set[str] = set()

    def add(name):
        if name in seen:
            return
        seen.add(name)
        path = FRAGMENTS / f"{name}.config"
        if not path.is_file():
            die(2, f"no flavour '{name}': kconfig-fragments/{name}.config does not exist")
        for needed in marks(path, "WITH"):
            add(needed)
        paths.append(path)

    for name in names:
        add(name)

    def last(mark, default=""):
        # The nearest one has the last word.
        return next((found[-1] for path in reversed(paths) if (found := marks(path, mark))), default)

    if last("ARCH", "arm64") not in ARCHES:
        die(2, f"kconfig-fragments/{names[-1]}.config: no architecture '{last('ARCH')}'; there are {' '.join(ARCHES)}")

    own = FRAGMENTS / f"{names[-1]}.config"
    made = Flavour(names[-1], tuple(paths), last("ARCH", "arm64"), last("HOST"),
                   (marks(own, "LIKE") or [""])[0], marks(own, "RUSTC") == ["minimum"])
    if made.host and made.host != os.uname().machine:
        die(2, f"flavour {made.name} needs a host of {made.host}, this one is {os.uname().machine}")
    return made


DEFAULT = Flavour("", ())


# --- tools -------------------------------------------------------------------

def llvm(tool: str) -> str:
    """A program of LLVM, as LLVM=1, LLVM=-19 or LLVM=/path/ has it."""
    value = os.environ.get("LLVM") or "1"
    if value.endswith("/"):
        return value + tool
    return tool + value if value.startswith("-") else tool


def variables(of: Flavour = DEFAULT) -> dict[str, str]:
    """Whose Rust: the caller's, or the oldest one that the kernel takes."""
    found = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    if of.minimum:
        folder = CACHE / "rust-min/bin"
        found |= {"RUSTC": f"{folder}/rustc", "RUSTDOC": f"{folder}/rustdoc",
                  "RUSTFMT": f"{folder}/rustfmt", "CLIPPY_DRIVER": f"{folder}/clippy-driver"}
    # (Programs that run while the kernel is built, with the same compiler.)
    if "RUSTC" in found:
        found["HOSTRUSTC"] = found["RUSTC"]
    return found


def rust_tools(of: Flavour = DEFAULT) -> dict[str, str]:
    """Each has a version of its own."""
    found = variables(of)
    return {name: found.get(name.upper().replace("-", "_"), name) for name in ("rustc", "bindgen", "clippy-driver", "rustdoc")}


def need_tools(*others: str, of: Flavour = DEFAULT) -> None:
    """All that is missing, at once."""
    tools = ["make", "flex", "bison", "bc", "perl", "git", llvm("clang"), llvm("ld.lld"), *rust_tools(of).values(), *others]
    if missing := [tool for tool in tools if not shutil.which(tool)]:
        die(3, f"missing: {' '.join(missing)}: install it (Documentation/rust/quick-start.rst of the kernel has the packages), name "
               "yours with PATH, LLVM, RUSTC, RUSTDOC, CLIPPY_DRIVER, BINDGEN, programs of guests with GUEST, or run scripts/setup")


@functools.lru_cache
def version(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError) as error:
        why = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        die(3, f"{' '.join(command)} does not run ({why[-1] if why else error}): "
               "run scripts/setup, or name another one with LLVM, RUSTC, RUSTDOC, CLIPPY_DRIVER or BINDGEN")
    return done.stdout


def tool_versions(of: Flavour = DEFAULT) -> dict[str, str]:
    """A compiler that does not run is an error."""
    return {"clang": version(llvm("clang"), "--version"), "ld.lld": version(llvm("ld.lld"), "--version"),
            **{name: version(tool, "-vV" if name == "rustc" else "--version") for name, tool in rust_tools(of).items()}}


def surroundings(of: Flavour = DEFAULT) -> list[str]:
    """What a build depends on besides the sources and their configuration."""
    return [*tool_versions(of).values(), *make(Path(), of=of),
            *(os.environ.get(name, "") for name in ("RUST_LIB_SRC", "LIBCLANG_PATH", "LD_LIBRARY_PATH"))]


def qemu_version(arch: str) -> str:
    name = ARCHES[arch][2]
    return version(f"qemu-system-{name}", "--version") if name else "none"


# --- sources -----------------------------------------------------------------

def commits() -> list[tuple[str, str, str]]:
    """(commit, tree, subject) of the base and of each patch on it."""
    return [tuple(line.split(" ", 2)) for line in env.glue("commits")]


def work_at(commit: str) -> None:
    env.glue("work_at", commit)


def patches() -> list[str]:
    return env.glue("series_patches")


def tip() -> tuple[int, str]:
    """Number and commit of the last patch before the topic that ci/series.conf sets apart."""
    position = int(env.glue("series_before_apart")[0])
    return position, commits()[position][0]


# --- build -------------------------------------------------------------------

def make(o: Path, *arguments: str, of: Flavour = DEFAULT) -> list[str]:
    """The command that builds in O=`o`."""
    return ["make", "-C", str(WORK), f"O={o}", "LOCALVERSION=", f"ARCH={of.arch}",
            f"LLVM={os.environ.get('LLVM') or '1'}",
            *(f"{name}={value}" for name, value in variables(of).items()), *arguments]


OPTION = re.compile(r"(?:# )?(CONFIG_[A-Z0-9_]+)(?:=(.*)| is not set)$")


def options(path: Path) -> dict[str, str]:
    """{symbol: value} of a .config or a fragment."""
    return {found[1]: found[2] or "n" for line in read(path).splitlines() if (found := OPTION.match(line))}


def later_symbols(position: int) -> set[str]:
    """Symbols of Kconfig that patches after `position` add."""
    return {f"CONFIG_{symbol}" for name in patches()[position:]
            for symbol in re.findall(r"^\+(?:menu)?config ([A-Z0-9_]+)$", read(TOP / "patches" / name), re.M)}


def without_effect(config: Path, position: int, files) -> list[str]:
    """Options that are not in .config, but for those of the kernel's own files. A symbol that a later
    patch adds is no fault."""
    seen, later = options(config), later_symbols(position)
    wanted = {name: (value, path.name) for path in files if not path.is_relative_to(WORK)
              for name, value in options(path).items()}
    if not wanted:
        return ["nothing was compared with .config: no option in any fragment"]
    return [f"{source}: {name}={value} did not take effect, .config has {seen.get(name, 'n')}"
            for name, (value, source) in wanted.items()
            if name not in later and seen.get(name, "n") != value]


def configure(label: str, log: Path, o: Path, position: int, files, of: Flavour = DEFAULT) -> bool:
    """Make .config of some files, then look whether each option of our fragments took effect."""
    o.mkdir(parents=True, exist_ok=True)
    config, key_file, made = o / ".config", o / ".config.key", o / ".config.made"
    text = "".join(path.read_text(errors="replace") for path in files)
    tree = subprocess.run(["git", "-C", WORK, "ls-tree", "-r", "HEAD"], capture_output=True, text=True, check=True).stdout
    kconfig = [line for line in tree.splitlines() if re.search(r"\t(Makefile|scripts/.*|(.*/)?Kconfig[^/]*)$", line)]
    # The same files, for the same Kconfig and tools, make the same .config.
    key = hashlib.sha256("\0".join([text, *kconfig, *surroundings(of)]).encode()).hexdigest()
    if not (read(key_file) == key and config.exists() and read(config) == read(made)):
        before = read(config)
        times = config.stat() if config.exists() else None
        config.write_text(text)
        if env.run(f"{label}: configuration", log, make(o, "olddefconfig", of=of)):
            key_file.unlink(missing_ok=True)
            return False
        # An unchanged .config keeps its time, and so the objects.
        if times and read(config) == before:
            os.utime(config, ns=(times.st_atime_ns, times.st_mtime_ns))
        shutil.copyfile(config, made)
        env.write(key_file, key)
    problems = without_effect(config, position, files)
    log.parent.mkdir(parents=True, exist_ok=True)
    # (Why there is no Rust, the kernel itself says best.)
    if any("CONFIG_RUST=y" in problem for problem in problems):
        env.run(f"{label}: make rustavailable", log, make(o, "rustavailable", of=of))
    with open(log, "a") as output:
        output.writelines(f"{problem}\n" for problem in problems)
    return not problems


def warnings(log: str) -> set[str]:
    """Compiler, Clippy, modpost, dtc and linker warnings, without line numbers."""
    found, lines = set(), log.splitlines()
    for i, line in enumerate(lines):
        if re.match(r"warning(\[\w+\])?: ", line):
            where = next((l for l in lines[i:i + 4] if re.match(r"\s+--> ", l)), "")
            found.add(line + re.sub(r"\s+--> |:\d+", " ", where).rstrip())
        elif re.search(r"\bwarning: |\bWARNING: ", line, re.I):
            found.add(re.sub(r":\d+", "", line.strip()))
    return found


def outdate(o: Path, warned) -> None:
    """What these warnings are about, or else the linking, has to be built again."""
    for line in warned:
        names = [re.sub(r"^(\.\./)+", "", name) for name in re.findall(r"[\w./+-]+\.(?:rs|c|h|S|dtsi?|o)\b", line)]
        sources = [WORK / name for name in names if (WORK / name).is_file() and (WORK / name).is_relative_to(WORK)]
        for source in sources:
            source.touch()
        for name in [] if sources else [*names, "vmlinux.o"]:
            if name.endswith(".o") and (o / name).is_relative_to(o):
                (o / name).unlink(missing_ok=True)


def compile(label: str, log: Path, o: Path, *targets: str, of: Flavour = DEFAULT) -> int:
    """make, which says nothing of what it need not build: so what was warned of in O=`o` is built
    each time, and no warning is lost, whoever asked for the build that met it first."""
    warned = o / "warned"
    before = set(read(warned).splitlines())
    outdate(o, before)
    status = 1
    try:
        status = env.run(label, log, make(o, f"-j{env.JOBS}", *targets, of=of))
        return status
    finally:
        whole = status == 0 and ARCHES[of.arch][0] in targets
        now = warnings(read(log)) | (set() if whole else before)
        if now != before:
            env.write(warned, "".join(f"{line}\n" for line in sorted(now)))


def errors(log: Path, most: int = 5) -> list[str]:
    return [line for line in read(log).splitlines() if re.search(r"\berror\b", line, re.I)][:most]


def kernel(label: str, logs: Path, name: str, o: Path, targets, files, of: Flavour = DEFAULT, clippy: bool = True) -> None:
    """Configure and build what is in the work tree, or end with what went wrong. Logs: NAME.config.log, NAME.build.log."""
    log = logs / f"{name}.config.log"
    if not configure(f"{label}: {name}", log, o, tip()[0], files, of):
        env.say("\n".join(read(log).splitlines()[-5:]))
        die(1, f"the configuration is not what the fragments ask for: {log}")
    log = logs / f"{name}.build.log"
    if compile(f"{label}: {name}: build", log, o, *(["CLIPPY=1"] if clippy else []), *targets, of=of):
        env.say("\n".join(errors(log)))
        die(1, f"the build failed: {log}")


def objects_of(like: str, o: Path) -> None:
    """Where there is no folder `o` yet, it begins as a copy of that of flavour `like`."""
    source = CACHE / "o" / like
    if not like or o.exists() or not source.is_dir():
        return
    new = o.with_name(f"{o.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    env.need_space(3000)
    if env.run(f"copy of {like}", env.LOGS / "copy", ["cp", "-a", source, new]):
        die(2, f"cannot copy {source} to {new}")
    for path in new.glob("warnings.*"):
        path.unlink()
    new.rename(o)


def main(_arguments) -> int:
    log = env.LOGS / "rustavailable"
    log.unlink(missing_ok=True)
    work_at("HEAD")
    if env.run("setup: make rustavailable", log, make(CACHE / "o/setup", "rustavailable")):
        env.say(read(log).rstrip())
        die(3, "the kernel does not accept this Rust toolchain")
    return 0


if __name__ == "__main__":
    env.main(main)
