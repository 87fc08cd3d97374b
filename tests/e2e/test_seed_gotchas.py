"""Each wall that the story of docs' origin ran into, with the test that it is gone.

chart published as OCI           test_the_chart_is_published_as_oci
image tag follows the version    test_the_image_tag_follows_the_version_of_the_app
type and annotations of the Service    test_the_service_has_the_type_and_annotations_that_are_asked_for
PodSecurity and llmfit           tests/cluster/test_seed_gotchas.py: test_podsecurity_and_llmfit
baseURL on packs                 the same: test_base_url_on_packs; in a run: tests/e2e/test_litellm.py
CRD discovery timing             the same: test_crd_discovery_timing
the webhook panics               tests/unit/webhook/test_fuzz.py: test_seed_gotcha_webhook_never_panics_on_any_input
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import sympozium
from sympozium.testing.waiting import until
from sympozium.up.ports import pick

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / ".tools"
CHART = ROOT / "charts/sympozium"


def helm(version: str, *arguments: str) -> str:
    done = subprocess.run(
        [str(TOOLS / f"helm-{version}"), *arguments], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real registry of images and charts, host:port."""
    directory = tmp_path_factory.mktemp("registry")
    port = pick()
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(directory)}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    (directory / "config.yml").write_text(yaml.safe_dump(config))
    log = (directory / "log").open("wb")
    process = subprocess.Popen(
        [str(TOOLS / "docker-registry"), "serve", str(directory / "config.yml")], stdout=log, stderr=log
    )
    until(lambda: "listening on" in (directory / "log").read_text(), "the registry listens")
    yield f"127.0.0.1:{port}"
    process.terminate()
    process.wait(30)
    log.close()


@pytest.mark.parametrize("version", ["3", "4"])
def test_the_chart_is_published_as_oci(registry: str, version: str, tmp_path: Path) -> None:
    """SEED: "The Sympozium chart is not published to an OCI or Helm registry"."""
    where = f"oci://{registry}/charts{version}"
    subprocess.run(
        [sys.executable, str(ROOT / "scripts/publish_chart.py"), where, "--plain-http", "--dist", str(tmp_path)],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    chart = f"{where}/sympozium"
    shown = helm(version, "show", "chart", chart, "--version", sympozium.__version__, "--plain-http")
    assert yaml.safe_load(shown)["appVersion"] == sympozium.__version__
    of_registry = helm(
        version, "template", "s", chart, "--version", sympozium.__version__, "--plain-http", "-n", "x"
    )
    assert of_registry == helm(version, "template", "s", str(CHART), "-n", "x")


def test_the_image_tag_follows_the_version_of_the_app() -> None:
    """SEED: "The chart's appVersion lags behind the latest tagged release"."""
    rendered = helm("4", "template", "s", str(CHART), "-n", "x")
    ours = set(re.findall(r"image: \"(\S+/control-plane:\S+)\"", rendered))
    assert ours == {f"ghcr.io/sympozium/control-plane:v{sympozium.__version__}"}
    assert f'value: "v{sympozium.__version__}"' in rendered, "runs get images of the same version"
    chosen = helm("4", "template", "s", str(CHART), "-n", "x", "--set", "image.tag=v9.9.9")
    assert set(re.findall(r"image: \"(\S+/control-plane:\S+)\"", chosen)) == {
        "ghcr.io/sympozium/control-plane:v9.9.9"
    }


def test_the_service_has_the_type_and_annotations_that_are_asked_for() -> None:
    """SEED: "hardcodes a ClusterIP service with no support for type or annotation overrides"."""
    rendered = helm(
        "3", "template", "s", str(CHART), "-n", "x", "-s", "templates/apiserver.yaml",
        "--set", "apiserver.service.type=LoadBalancer",
        "--set", r"apiserver.service.annotations.lbipam\.cilium\.io/ips=192.168.55.207",
    )  # fmt: skip
    objects = [o for o in yaml.safe_load_all(rendered) if o and o["kind"] == "Service"]
    assert [(o["spec"]["type"], o["metadata"]["annotations"]) for o in objects] == [
        ("LoadBalancer", {"lbipam.cilium.io/ips": "192.168.55.207"})
    ]
