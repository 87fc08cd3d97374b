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
