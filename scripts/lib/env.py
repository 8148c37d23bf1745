# SPDX-License-Identifier: GPL-2.0
"""What the programs share: paths, messages, processes, the lock. See env.sh."""
from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path
from typing import NoReturn

import holders

TOP = Path(os.environ["SERIES_TOP"])            # the snapshot that we run in
CACHE = Path(os.environ["SERIES_CACHE"])
ORIGIN = Path(os.environ.get("SERIES_ORIGIN", TOP))     # where the user called us
STATE = os.environ.get("SERIES_STATE", "")
PROG = os.environ["SERIES_PROG"]
COMMAND = os.environ.get("SERIES_COMMAND", PROG)        # what people type for it
# The kernel that the caller has named, before a command that is to be repeated.
NAMED = "".join(f"{name}={shlex.quote(os.environ[name])} " for name in ("KDIR", "BASE") if os.environ.get(name))
LOGS = CACHE / "log"
JOBS = os.environ["JOBS"]
GLUE = TOP / "scripts/lib/glue"
# (Not for the kernel's own programs in Python.)
os.environ.pop("PYTHONPATH", None)


def say(*words) -> None:
    print(*words, file=sys.stderr, flush=True)


def die(status: int, *words) -> NoReturn:
    say(f"{PROG}:", *words)
    sys.exit(status)


def usage_error(*words) -> NoReturn:
    say(f"{PROG}:", *words)
    say(f"Try '{COMMAND} -h'.")
    sys.exit(2)


def elapsed(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def need_space(megabytes: int) -> None:
    glue("need_space", str(megabytes))


def lock(name: str = "lock") -> None:
    """One user of the cache at a time; a second one waits. Ours ends with this process."""
    if name == "lock" and os.environ.get("SERIES_LOCKED"):
        return
    path = CACHE / name
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say(f"{PROG}: waiting for {holders.named(path)}")
        fcntl.flock(fd, fcntl.LOCK_EX)
    if name == "lock":
        os.environ["SERIES_LOCKED"] = "1"


def snapshot() -> None:
    """Go on in a copy of the repository: this command, from its beginning. See env.sh."""
    if not STATE:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execv(GLUE, ["glue", "snapshot", COMMAND, *sys.argv[1:]])


def prepared() -> None:
    """Set up what is missing on Debian, for those commands that promise it. (May ask for a
    password.) Whoever names tools of his own has them."""
    setup = TOP / "scripts/setup"
    if os.environ.get("SERIES_OWN_TOOLS") or os.environ.get("SERIES_LOCKED"):
        return
    if subprocess.run([setup, "--check"], check=False).returncode == 0:
        return
    process = subprocess.Popen([setup])
    try:
        process.wait()
    finally:
        process.terminate()     # (nothing where it has ended)
        process.wait()
    if process.returncode:
        sys.exit(process.returncode)


# --- processes ---------------------------------------------------------------

_groups: set[subprocess.Popen] = set()


def start(command, **options) -> subprocess.Popen:
    """A program in a process group of its own, which ends when we end, however we end."""
    options.setdefault("stdin", subprocess.DEVNULL)
    process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *map(str, command)],
                               start_new_session=True, **options)
    _groups.add(process)
    return process


def stop(process: subprocess.Popen) -> None:
    """End what `start` has started, with all that it started itself."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(1.2)   # (a `run` of env.sh gives a second to what it runs)
    _groups.discard(process)


def wait(process: subprocess.Popen, timeout: float | None = None) -> int:
    status = process.wait(timeout)
    _groups.discard(process)
    return status


def _ended(number, _frame):
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    raise SystemExit(128 + number)


def main(function) -> NoReturn:
    """Run a program's main function. Whatever ends it ends what it has started."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ended)
    try:
        status = function(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # (Nobody reads on; nor does the interpreter's own flush.)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = 141
    except OSError as error:
        # (It may be the output that cannot be written.)
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        say(f"{PROG}: {error}")
        with contextlib.suppress(OSError):
            if shutil.disk_usage(CACHE).free < 50 << 20:
                say(f"{PROG}: {CACHE} is full: make room, or set SERIES_CACHE")
        status = 2
    except Exception:
        # (A fault of ours is no finding.)
        traceback.print_exc()
        status = 2
    finally:
        for process in list(_groups):
            stop(process)
    sys.exit(status)


# --- commands with a log -----------------------------------------------------

def run(label: str, log: Path, command) -> int:
    """Run a program with its output in `log`; say what goes on. Return its status."""
    status = wait(start([GLUE, "run", label, log, *command]))
    if status:
        # A program that ran out of space says many things.
        need_space(50)
    return status


def read(path, default: str = "") -> str:
    try:
        return Path(path).read_text(errors="replace")
    except FileNotFoundError:
        return default


UMASK = os.umask(0o022)
os.umask(UMASK)


def special(path) -> bool:
    """A device, a pipe: nothing to be replaced."""
    path = Path(path)
    return path.exists() and not path.is_file() or os.path.abspath(path).startswith(("/dev/", "/proc/"))


def need_writable(path) -> None:
    """Before anything is done for it; what is there stays."""
    try:
        if Path(path).is_fifo() or os.path.exists(path) and os.path.samestat(os.stat(path), os.fstat(1)):
            return
        if special(path):
            open(path, "a", encoding="utf-8").close()
        else:
            tempfile.TemporaryFile(dir=Path(os.path.realpath(path)).parent).close()
    except OSError as error:
        die(2, f"cannot write {path}: {error.strerror}")


def write(path, text: str) -> None:
    """Whole or not at all, where the links lead; into what is special, as it is."""
    if special(path):
        # (A file that is our output already has its place in it.)
        if os.path.exists(path) and os.path.samestat(os.stat(path), os.fstat(1)):
            print(text, end="", flush=True)
        # (Who reads a pipe would take an end without any text for the end.)
        elif text or not Path(path).is_fifo():
            with open(path, "a", errors="replace") as file:
                file.write(text)
        return
    path = Path(os.path.realpath(path))
    fd, new = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with open(fd, "w", errors="replace") as file:
            file.write(text)
        os.chmod(new, stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o666 & ~UMASK)
        os.replace(new, path)
    except BaseException:
        os.unlink(new)
        raise


def glue(*command) -> list[str]:
    """A function of series.sh or worktree.sh; its lines. Where it fails, so do we."""
    done = start([GLUE, *command], stdout=subprocess.PIPE, text=True)
    output, _ = done.communicate()
    _groups.discard(done)
    if done.returncode:
        sys.exit(done.returncode)
    return output.splitlines()
