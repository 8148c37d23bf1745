# SPDX-License-Identifier: GPL-2.0
"""scripts/boot: arguments, the scenario's end, and the comparison of two drivers."""
import concurrent.futures
import json
import re

import pytest

from conftest import append, edit, until


@pytest.mark.parametrize("arguments, says", [
    ("--driver nonsense", "--driver is c or rust"),
    ("--torture --seconds 1m", "--seconds and --seed take a number"),
    ("--torture --seed", "--seconds and --seed take a number"),
    ("--seconds 1", "--seconds does not go with the scenario"),
    ("--driver c --compare", "--compare runs both drivers"),
    ("--compare --torture", "--compare does not go with --torture"),
    ("--build", "--build goes with --defconfig"),
    ("--build --defconfig --compare", "--build goes with --defconfig"),
    ("--torture --defconfig", "--defconfig does not go with --torture"),
    ("--flavour lockdep", "flavour lockdep has not what the guests need"),
    ("--flavour nonsense", "no flavour 'nonsense'"),
    ("--drive", "expected at least one argument"),
    ("--drive 8=1", "--drive takes LINE=LEVEL"),
    ("--drive 4=1", "no guest to drive"),
    ("--write", "no result of scripts/boot with this series"),
])
def test_wrong_arguments(toy, arguments, says):
    toy.expect(2, says, f"scripts/boot {arguments}")


# Two guests without QEMU; the first does something odd.
SCENARIO = """
import os, pathlib, signal, sys
import env, scenario

class Guest:
    def __init__(self, *_, **__): pass
    def power_off(self): return True
    def close(self): pass
    def record(self): return {"operations": {}, "callbacks": {}}

def odd(guest, tap):
    WHAT
def good(guest, tap):
    tap.check("the second guest ran", True)
scenario.RecordedGuest = Guest
scenario.GUESTS = {"odd": scenario.Machine(odd), "good": scenario.Machine(good)}
pathlib.Path("logs/good").mkdir(parents=True)
for name in ("odd", "good"):
    pathlib.Path(f"logs/{name}").mkdir(exist_ok=True)
    pathlib.Path(f"logs/{name}/console").touch()
sys.argv[1:] = ["rust", "images", "differences", "logs"]
env.main(scenario.main)
"""


def scenario(toy, status, says, what):
    (toy.repo / "differences").touch()
    (toy.repo / "odd.py").write_text(SCENARIO.replace("WHAT", what))
    return toy.python(status, says, "odd.py")


@pytest.mark.parametrize("what", ["int('x')", "{}['x']", "[][0]", "raise OSError('x')", "assert False", "open('/nonexistent/x')"])
def test_any_exception_is_a_failed_check(toy, what):
    """With its traceback, and the other guests still run."""
    said = scenario(toy, 1, ["the second guest ran", "not ok", "\n1..", "\n# failed: 2 - odd: guest", "\n# again: ", "\n# log: logs/tap\n"], what)
    assert "odd.py" in said and (toy.repo / "logs/record.json").exists()


def test_no_console(toy):
    """What went wrong first is what is said."""
    said = scenario(toy, 1, ["no fdtput", "the second guest ran"], "os.remove('logs/odd/console'); raise OSError('no fdtput')")
    assert "FileNotFound" not in said


def test_interrupt_ends_all(toy):
    """Ctrl-C does not go on with the next guest."""
    said = scenario(toy, 130, "Bail out!", "os.kill(os.getpid(), signal.SIGINT)")
    assert "the second guest" not in said


def test_socket_in_a_long_folder(toy):
    """The address of a socket has 107 bytes, whatever TMPDIR is."""
    long = toy.root / ("x" * 100)
    long.mkdir()
    toy.program("qemu-system-aarch64", "echo arguments: \"$@\" >&2; exit 1")
    toy.python(1, "", "-c", f"import machine; machine.Guest('kernel', 'initramfs', '{toy.root}')", TMPDIR=long)
    paths = re.findall(r"(?:path=|unix:)([^,\s]+)", (toy.root / "qemu").read_text())
    assert all(len(path) < 108 for path in paths), paths


# --- torture ------------------------------------------------------------------

TORTURE = """
import sys
import env, torture
from machine import GuestError, NoAnswer

class Guest:
    def __init__(self, _kernel, _initramfs, logs, **_):
        env.write(f"{logs}/console", "WARNING: kernel/foo.c:12 at bar\\n" if sys.argv[1] == "splat" else "")
    def close(self): pass

def run(torture, tap, seconds, rng):
    torture.counts["binds"] += 300
    if sys.argv[1] != "fine" and (sys.argv[1] != "once" or not tap.late):
        tap.late = True
        raise GuestError("wrong") if sys.argv[1] == "wrong" else NoAnswer("no answer")

torture.ChipGuest, torture.run, torture.Tap.late = Guest, run, False
for mode in torture.MODES:
    env.Path("logs", mode).mkdir(parents=True, exist_ok=True)
tap = torture.boot("images", 10, 7, "logs")
sys.exit(tap.failed)
"""


@pytest.mark.parametrize("what, failed, again, binds", [
    ("fine", 0, 0, 600), ("once", 0, 1, 600), ("always", 2, 2, 600), ("wrong", 2, 0, 600), ("splat", 4, 0, 600)])
def test_torture_again(toy, what, failed, again, binds):
    """A guest that does not answer, without a splat, has a second chance, and nothing else has."""
    said = toy.python(failed, ["# seed 7", f"# binds, over both modes: {binds}\n", f"{failed} failed"], "-c", TORTURE, what)
    assert said.count("late, once more") == again


# --- a guest at the terminal, and results -------------------------------------

# A fake QEMU, which answers at the sockets named on its command line.
MACHINE = """\
import json, os, socket, sys
print("arguments:", *sys.argv[1:], flush=True)
links = {}
for name in ("qtest", "qmp"):
    where = sys.argv[sys.argv.index(f"-{name}") + 1].removeprefix("unix:").removesuffix(",server=on,wait=off")
    links[name] = socket.socket(socket.AF_UNIX)
    links[name].bind(where)
    links[name].listen()
qtest, qmp = (link.accept()[0] for link in links.values())
def say(words):
    qmp.sendall(json.dumps(words).encode() + b"\\n")
say({"QMP": {"version": {"qemu": {"micro": 0, "minor": 0, "major": 7}, "package": ""}, "capabilities": []}})
for answer in ({}, [{"name": "device[7]", "type": "child<pl061>"}]):
    command = json.loads(qmp.recv(4096))
    say({"return": answer, **({"id": command["id"]} if "id" in command else {})})
while command := qtest.recv(4096):
    print(command.decode(), end="", flush=True)
    qtest.sendall(b"OK\\n")
"""


def test_shell(toy):
    """Lines of a guest at one terminal are driven from another one."""
    (toy.cache / "boot").mkdir()
    (toy.root / "machine.py").write_text(MACHINE)
    toy.program("qemu-system-aarch64", f'exec python3 {toy.root}/machine.py "$@"')
    toy.need("venv/bin/python3")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        guest = pool.submit(toy.python, 0, ["-serial mon:stdio", "shell=1 acpi=force", "-M virt-4.1",
                                            "set_irq_in /machine/unattached/device[7] unnamed-gpio-in 4 1\n"
                                            "set_irq_in /machine/unattached/device[7] unnamed-gpio-in 5 0\n"],
                            "-c", "import shell; shell.run('kernel', 'initramfs', ('-M', 'virt-4.1'), 'acpi=force')")
        until((toy.cache / "boot/qmp").exists)
        toy.expect(0, "", "scripts/boot --drive 4=1 5=0")
        guest.result()


def test_results_in_readme(toy):
    """Those with this series, whatever was run."""
    append(toy.repo / "README.md", "<!-- boot -->\n<!-- /boot -->\n")
    results = toy.cache / "log/boot"
    for kind, driver in ("lockdep", "c"), ("rt", "rust"), ("lockdep", "rust"), ("kasan", "rust"):
        (results / kind / driver).mkdir(parents=True)
        toy.python(0, "", "-c", "import sys, table; table.keep(*sys.argv[1:4], {'stock': (5, 0), sys.argv[2]: (1, 2, 'note')})",
                   results / kind / driver / "result.json", kind, driver)
    edit(results / "kasan/rust/result.json", '"tree": "', '"tree": "older')
    toy.expect(0, "", "scripts/boot --write")
    assert """<!-- boot -->
| guest | lockdep: Rust | lockdep: C | rt: Rust |
| --- | ---: | ---: | ---: |
| stock | 5 | 5 | 5 |
| lockdep | 1, **2 failed**; note | 1, **2 failed**; note |  |
| rt |  |  | 1, **2 failed**; note |
<!-- /boot -->
""" in (toy.repo / "README.md").read_text()


# --- comparison --------------------------------------------------------------

SET = '"$ gpioset", "w 3fc 01"'
GET = '"chip.get": ["get"]'


@pytest.fixture
def drivers(toy):
    """compare(STATUS, TEXTS, C, RUST[, DIFFERENCES]): records are (operation lines, callbacks, checks)."""
    def compare(status, says, c=None, rust=None, differences=None):
        for name, record in (("c", c), ("rust", rust)):
            if record:
                lines, calls, checks, *more = record
                operations = f'"set": [{lines}], "get": [{more[0] if more else chr(34) + "r 3fc 00" + chr(34)}]' if lines is not None else '"get": ["r 3fc 00"]'
                (toy.repo / name).write_text(
                    f'{{"checks": [{checks}], "guests": {{"g": {{"operations": {{{operations}}}, "callbacks": {{{calls}}}}}}}}}')
        if differences is not None:
            (toy.repo / "differences").write_text(differences)
        return toy.python(status, says, "ci/pl061/compare.py", toy.repo / "differences", "c", "rust")
    (toy.repo / "differences").write_text("")
    return compare


# A difference in: output, a value, order, an extra access, an operation, a check, a callback that is missing or not called.
@pytest.mark.parametrize("rust, says", [
    ((SET, GET, '"a", "b"'), None),
    (('"$ gpioset", "> busy", "w 3fc 01"', GET, '"a", "b"'), ["+ > busy"]),
    (('"$ gpioset", "w 3fc 02"', GET, '"a", "b"'), ["not ok 2 - g: set", "\n# - w 3fc 01\n", "\n# + w 3fc 02\n"]),
    (('"w 3fc 01", "$ gpioset"', GET, '"a", "b"'), ["6 passed, 1 failed"]),
    ((f'{SET}, "w 3fc 01"', GET, '"a", "b"'), ["6 passed, 1 failed"]),
    ((None, GET, '"a", "b"'), ["recorded with the driver in C only"]),
    ((SET, GET, '"a"'), ["not ok 1 - both drivers got the same checks"]),
    ((SET, f'{GET}, "chip.set": ["set"]', '"a", "b"'), ["callback chip.set: of rust"]),
    ((SET, '"chip.get": []', '"a", "b"'), ["not with the driver in rust"]),
])
def test_drivers_are_compared(drivers, rust, says):
    drivers(1 if says else 0, says or "7 passed, 0 failed", (SET, GET, '"a", "b"'), rust)


def test_nothing_was_recorded(toy, drivers):
    none = ('"$ gpioset"', "", '"a"', "")
    drivers(1, ["not ok 4 - registers were accessed in each guest", "not ok 5 - callbacks were watched"], none, none)
    for name in ("c", "rust"):
        (toy.repo / name).write_text(json.dumps({"checks": [], "guests": {}}))
    drivers(1, "1 passed, 2 failed")
    (toy.repo / "rust").unlink()
    drivers(2, "rust")


DECLARED = """# A comment.
[operation g: set]
diff =
    $ gpioset
    - w 3fc 01
    r 3fc 01
    + w 3fc 02
reason = of
    two lines
[callback chip.set]
only = rust
reason = none
"""


def test_differences_are_declared(drivers):
    c = ('"$ gpioset", "w 3fc 01", "r 3fc 01"', GET, '"a"')
    rust = ('"$ gpioset", "r 3fc 01", "w 3fc 02"', f'{GET}, "chip.set": ["set"]', '"a"')
    drivers(0, ["0 failed", "g: set # differs: of two lines"], c, rust, DECLARED)
    # Not as declared, gone, never there.
    drivers(1, "but declared is", c, (rust[0].replace("02", "03"), *rust[1:]))
    drivers(1, ["declared as a difference, but there is none", "callback chip.set: declared as a difference"], c, c)
    drivers(1, "g: nonsense: declared as a difference, but there is no such operation", differences=DECLARED.replace("g: set", "g: nonsense"))
    drivers(2, "a driver is c or rust", differences=DECLARED.replace("only = rust", "only = perl"))
    drivers(2, "[callback chip.set]", differences=DECLARED.replace("only = rust\n", ""))
    drivers(2, "differences", differences="nonsense\n")
