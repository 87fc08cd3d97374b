"""The GitOps examples, as data: what checking them against the schemas of Argo CD, Flux and External Secrets taught."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from sympozium import __version__
from sympozium.api.registry import KINDS

ROOT = Path(__file__).parents[2] / "examples" / "gitops"
FILES = sorted(ROOT.rglob("*.yaml"))
# apiVersion and kind -> fields of the spec, as their CRDs have them (Argo CD 3, Flux 2.7, External Secrets 1).
FIELDS = {
    ("argoproj.io/v1alpha1", "Application"): {"project", "source", "destination", "syncPolicy"},
    ("source.toolkit.fluxcd.io/v1", "GitRepository"): {"interval", "url", "ref"},
    ("source.toolkit.fluxcd.io/v1", "HelmRepository"): {"type", "interval", "url"},
    ("kustomize.toolkit.fluxcd.io/v1", "Kustomization"): {
        "dependsOn", "interval", "retryInterval", "timeout", "prune", "wait", "sourceRef", "path", "healthChecks",
    },
    ("helm.toolkit.fluxcd.io/v2", "HelmRelease"): {
        "interval", "releaseName", "targetNamespace", "chart", "install", "upgrade", "values",
    },
    ("external-secrets.io/v1", "ExternalSecret"): {"refreshInterval", "secretStoreRef", "target", "data"},
}  # fmt: skip
OURS = {k.kind for k in KINDS}


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def one(path: str, kind: str, name: str) -> dict[str, Any]:
    return next(d for d in documents(ROOT / path) if (d["kind"], d["metadata"]["name"]) == (kind, name))


def app(name: str) -> dict[str, Any]:
    return one(f"argocd/apps/{name}.yaml", "Application", name)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_versions_and_fields_are_those_of_their_schemas(path: Path) -> None:
    for document in documents(path):
        if document["kind"] in OURS or document["apiVersion"] == "v1":
            continue
        allowed = FIELDS[document["apiVersion"], document["kind"]]
        assert document["spec"].keys() <= allowed, document["metadata"]["name"]


def test_the_waves_are_in_order() -> None:
    waves = [
        int(app(name)["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"])
        for name in ("cert-manager", "sympozium", "sympozium-extras")
    ]
    assert waves == sorted(set(waves))
    # Without a health check of Applications no wave waits for another.
    data = documents(ROOT / "argocd" / "argocd-cm.yaml")[0]["data"]
    assert "resource.customizations.health.argoproj.io_Application" in data
    assert {f"resource.customizations.health.sympozium.ai_{kind}" for kind in OURS} <= data.keys()


def test_nothing_is_ignored_and_everything_is_tried_again() -> None:
    for name in ("cert-manager", "sympozium", "sympozium-extras"):
        spec = app(name)["spec"]
        assert "ignoreDifferences" not in spec
        assert "ServerSideApply=true" in spec["syncPolicy"]["syncOptions"]
        assert spec["syncPolicy"]["retry"]["limit"] > 0
    extras = app("sympozium-extras")
    assert "SkipDryRunOnMissingResource=true" in extras["spec"]["syncPolicy"]["syncOptions"]


def test_the_chart_is_the_released_one_from_an_oci_registry() -> None:
    source = app("sympozium")["spec"]["source"]
    # Argo CD takes a repoURL without a scheme for OCI where `chart` is given.
    assert (source["repoURL"], source["chart"]) == ("ghcr.io/sympozium/charts", "sympozium")
    release = one("flux/sympozium/release.yaml", "HelmRelease", "sympozium")["spec"]
    repository = one("flux/sympozium/release.yaml", "HelmRepository", "sympozium")["spec"]
    assert (repository["type"], repository["url"]) == ("oci", "oci://ghcr.io/sympozium/charts")
    assert source["targetRevision"] == release["chart"]["spec"]["version"] == __version__
    assert source["helm"]["valuesObject"] == release["values"]
    # The chart takes no value that it does not know.
    chart = ROOT.parents[1] / "charts" / "sympozium"
    jsonschema.validate(release["values"], json.loads((chart / "values.schema.json").read_text()))
    assert yaml.safe_load((chart / "Chart.yaml").read_text())["version"] == __version__


def test_flux_waits_for_each_step() -> None:
    steps = [
        one("flux/fleet.yaml", "Kustomization", n)["spec"]
        for n in ("cert-manager", "sympozium", "sympozium-extras")
    ]
    assert [[d["name"] for d in step.get("dependsOn", ())] for step in steps] == [
        [],
        ["cert-manager"],
        ["sympozium"],
    ]
    assert [bool(step.get("healthChecks") or step.get("wait")) for step in steps] == [True, True, True]
    for step in steps:
        assert (ROOT.parents[1] / step["path"]).is_dir()


def test_the_key_is_merged_with_the_address_and_read_by_the_pack() -> None:
    secret = one("extras/external-secret.yaml", "ExternalSecret", "sympozium-llm-key")
    pack = one("extras/pack.yaml", "PersonaPack", "operations")
    template = secret["spec"]["target"]["template"]["data"]
    assert template["OPENAI_API_KEY"] == "{{ .OPENAI_API_KEY }}"
    assert template["OPENAI_BASE_URL"].startswith("http")
    assert [r["secret"] for r in pack["spec"]["authRefs"]] == [secret["spec"]["target"]["name"]]
    assert secret["metadata"]["namespace"] == pack["metadata"]["namespace"]
