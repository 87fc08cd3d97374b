"""Requests made up from the API's own document (schemathesis), as several people: no failure of the server, and every
answer is what the document says.

`make fuzz-api` makes up many more: SYMPOZIUM_FUZZ_EXAMPLES for each operation and person. Streams have no end, and what is
read from the bus waits for one that is not here: they have tests of their own.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.api_server import ApiServer, installed
from cluster.people import bind
from sympozium.testing.kube import KubeAPI

__all__ = ["installed"]
ROOT = Path(__file__).parents[2]
EXAMPLES = int(os.environ.get("SYMPOZIUM_FUZZ_EXAMPLES", "1"))
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
MANY = 10
LEFT_OUT = (
    r"/stream$|/runs/\{name\}/(events|transcript|record|timing|decisions)$|/policies/backtest$|^/hooks/"
)


@pytest.fixture(scope="module")
def program() -> Path:
    subprocess.run(
        ["sh", "scripts/test_environment.sh", "schemathesis"],
        cwd=ROOT,
        check=True,
        timeout=200,
        capture_output=True,
    )
    return ROOT / ".venv-schemathesis/bin/st"


@pytest.fixture(scope="module")
def fast(installed: KubeAPI, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A server that does not hold a flood back, which is what this is."""
    for user, role in (("operator", "edit"), ("viewer", "view")):
        bind(installed, user, role, "default")
    directory = tmp_path_factory.mktemp("apiserver")
    with ApiServer(installed, directory, "--requests-per-second", "1000") as running:
        yield running


@pytest.mark.parametrize("person", ["operator", "admin", *(["viewer", "nobody"] if EXAMPLES >= MANY else [])])
def test_no_request_breaks_the_server(fast: ApiServer, program: Path, tmp_path: Path, person: str) -> None:
    phases = "fuzzing" if EXAMPLES < MANY else "coverage,fuzzing,stateful"
    done = subprocess.run(
        [
            program, "run", f"{fast.url}/api/v1/openapi.json", "--checks", CHECKS, "--phases", phases,
            "--max-examples", str(EXAMPLES), "-H", f"Authorization: Bearer {person}-token",
            "--exclude-path-regex", LEFT_OUT, "--request-timeout", "60", "--no-shrink", "--continue-on-failure",
            "--warnings", "off", "--no-color",
        ],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120 + 60 * EXAMPLES,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-6000:]}{done.stderr[-2000:]}"
    generated = re.search(r"(\d+) generated", done.stdout)
    assert generated, done.stdout
    assert int(generated[1]) > 40, done.stdout
    assert '"level": "error"' not in fast.log.read_text()
