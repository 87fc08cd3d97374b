"""The recorded checks of a real kube-apiserver, when they are beside this checkout."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKS = Path(__file__).parents[3] / "shared" / "kube_conformance" / "run.py"
PREFIXES = (
    "DISC",
    "NEG",
    "CRUD",
    "LIST",
    "WATCH",
    "PATCH",
    "SSA",
    "CRD",
    "AUTH",
    "MISC-02",
    "MISC-03",
    "LEASE",
)


@pytest.mark.skipif(not CHECKS.exists(), reason=f"the recorded checks are not at {CHECKS}")
def test_the_recorded_checks(server):
    environment = {**os.environ, "BASE": server.url, "TOKEN": "admin-token", "ALICE": "alice-token"}
    done = subprocess.run(
        [sys.executable, "-B", str(CHECKS), *PREFIXES],
        env=environment,
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
    assert done.returncode == 0, "\n".join([*failed, done.stdout[-3000:], done.stderr[-2000:]])
