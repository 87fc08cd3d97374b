"""Run the recorded checks: against the embedded API, or with KUBECONFIG against the server that it names.

    python tests/conformance/recorded.py [ID-PREFIX ...]

The checks beside this checkout (../shared/kube_conformance) are taken where they are, since they may be
newer; else the copy in recorded_checks/. Exit code 0 when all pass.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from conformance import gateway  # noqa: E402
from sympozium.kube.kubeconfig import load  # noqa: E402
from sympozium.testing.kube import KubeProcess  # noqa: E402

SHARED = HERE.parents[2] / "shared" / "kube_conformance"
COPY = HERE / "recorded_checks"
MERGE = "application/merge-patch+json"


def checks() -> Path:
    return (SHARED if (SHARED / "run.py").exists() else COPY) / "run.py"


def run(base: str, token: str, alice: str, prefixes: list[str]) -> int:
    environment = {**os.environ, "BASE": base, "TOKEN": token, "ALICE": alice}
    return subprocess.run(
        [sys.executable, "-B", str(checks()), *prefixes], env=environment, check=False
    ).returncode


def embedded(prefixes: list[str]) -> int:
    with tempfile.TemporaryDirectory(prefix="conformance-") as directory:
        users = Path(directory, "users.csv")
        users.write_text(f'{gateway.ADMIN},admin,1,"system:masters"\n{gateway.ALICE},alice,2,"devs"\n')
        server = KubeProcess(Path(directory, "data"), token_auth_file=users)
        url = server.start()
        try:
            print(f"embedded API at {url}", flush=True)
            return run(url, gateway.ADMIN, gateway.ALICE, prefixes)
        finally:
            server.stop()


def external(prefixes: list[str]) -> int:
    access = load()
    with gateway.serve(access) as (url, admin, how), cordoned(admin):
        print(f"{access.server} of {access.source}; alice is known {how}", flush=True)
        code = run(url, gateway.ADMIN, gateway.ALICE, prefixes)
        if code and "impersonation" in how:
            print(
                "AUTH-14 cannot be tried with an impersonated alice: name a token of hers with ALICE=",
                file=sys.stderr,
            )
        return code


@contextmanager
def cordoned(admin: gateway.Credentials) -> Iterator[None]:
    """The recorded server had no scheduler and no node: pods must stay where the checks put them."""
    nodes = admin.ask("GET", "/api/v1/nodes")["items"]
    names = [node["metadata"]["name"] for node in nodes if not node["spec"].get("unschedulable")]
    try:
        for name in names:
            admin.ask("PATCH", f"/api/v1/nodes/{name}", {"spec": {"unschedulable": True}}, MERGE)
        yield
    finally:
        for name in names:
            admin.ask("PATCH", f"/api/v1/nodes/{name}", {"spec": {"unschedulable": None}}, MERGE)


def main() -> int:
    prefixes = sys.argv[1:]
    try:
        return external(prefixes) if os.environ.get("KUBECONFIG") else embedded(prefixes)
    except (RuntimeError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
