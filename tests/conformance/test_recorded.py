"""The recorded checks of a real kube-apiserver: every one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("recorded.py")
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"}


@pytest.mark.timeout(400)
def test_the_recorded_checks():
    done = subprocess.run(
        [sys.executable, str(RUN)], env=ENVIRONMENT, capture_output=True, text=True, timeout=380, check=False
    )
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    assert done.returncode == 0, "\n".join([*failed, done.stdout[-3000:], done.stderr[-2000:]])
    assert done.stdout.rstrip().endswith("168 passed, 0 failed")
