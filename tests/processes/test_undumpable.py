"""A process with keys is not looked into by others of its user, where it is asked not to be."""

import os
import subprocess
import sys

import pytest

from sympozium import undumpable

# 3 is PR_GET_DUMPABLE.
PROGRAM = "import ctypes; from sympozium import undumpable; undumpable.when_asked(); print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"


@pytest.mark.parametrize(("value", "dumpable"), [("1", "0"), ("", "1")])
def test_it_is_undumpable_when_asked(value: str, dumpable: str) -> None:
    environ = {**os.environ, undumpable.ENVIRONMENT: value}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == dumpable


def test_the_processes_of_the_control_plane_do_as_they_are_asked() -> None:
    """Each `sympozium serve`, before it does anything."""
    program = (
        "import ctypes, sys; from sympozium.cli.main import app\n"
        "import sympozium.egress.main as main\n"
        "main.run = lambda **_: print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))\n"
        "sys.argv[1:] = ['serve', 'egress']; app()"
    )
    environ = {**os.environ, undumpable.ENVIRONMENT: "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=False
    )
    assert done.stdout.split()[:1] == ["0"], done.stderr
