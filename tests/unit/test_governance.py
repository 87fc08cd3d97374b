"""The table of docs/governance.md is whole and true: fields, functions, tests and attacks are there."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def governance() -> ModuleType:
    spec = importlib.util.spec_from_file_location("governance", ROOT / "scripts/governance.py")
    assert spec is not None
    assert spec.loader is not None
    import sys

    module = importlib.util.module_from_spec(spec)
    sys.modules["governance"] = module
    spec.loader.exec_module(module)
    return module


def test_every_field_has_a_row_and_every_row_is_true(governance: ModuleType) -> None:
    assert governance.problems() == []


def test_the_fields_are_those_of_the_model(governance: ModuleType) -> None:
    found = governance.fields()
    for field in ("toolGating.rules[].when", "sandboxPolicy.seccompProfile", "networkPolicy.allowedEgress[].port",
                  "rbacPolicy.deny", "featureGates", "enforcement"):  # fmt: skip
        assert field in found


def test_a_row_that_is_not_true_is_found(
    governance: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = (
        governance.TABLE.read_text()
        .replace("toolGating.defaultAction", "toolGating.nothing")
        .replace("test_no_run_gets_past", "test_that_nobody_wrote")
        .replace("policy.gate:gate", "policy.gate:not_there")
    )
    table = tmp_path / "governance.yaml"
    table.write_text(broken)
    monkeypatch.setattr(governance, "TABLE", table)
    found = "\n".join(governance.problems())
    assert "toolGating.defaultAction has no row" in found
    assert "toolGating.nothing is no field" in found
    assert "there is no test tests/e2e/test_governance_admission.py::test_that_nobody_wrote" in found
    assert "there is no function policy.gate:not_there" in found
