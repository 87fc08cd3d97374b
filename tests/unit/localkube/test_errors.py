"""The texts of refusals are what clients match on."""

from sympozium.localkube import errors
from sympozium.localkube.types import Cause


def test_not_found():
    assert errors.not_found("batch", "jobs", "x").status() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'jobs.batch "x" not found',
        "reason": "NotFound",
        "details": {"name": "x", "group": "batch", "kind": "jobs"},
        "code": 404,
    }


def test_one_cause_and_several():
    a, b = (
        Cause("spec.a", "FieldValueRequired", "Required value"),
        Cause("spec.b", "FieldValueInvalid", "Invalid value: 1"),
    )
    one = errors.invalid("", "ConfigMap", "x", [a]).status()
    assert one["message"] == 'ConfigMap "x" is invalid: spec.a: Required value'
    two = errors.invalid("g.io", "T", "x", [a, b]).status()
    assert two["message"] == 'T.g.io "x" is invalid: [spec.a: Required value, spec.b: Invalid value: 1]'
    assert two["details"]["causes"][1] == {
        "reason": "FieldValueInvalid",
        "message": "Invalid value: 1",
        "field": "spec.b",
    }


def test_apply_conflicts():
    one = errors.apply_conflict([('conflict with "m1"', ".spec.n")])
    assert one.message == 'Apply failed with 1 conflict: conflict with "m1": .spec.n'
    many = errors.apply_conflict(
        [('conflict with "m1"', ".a"), ('conflict with "m1"', ".b"), ('conflict with "m2"', ".c")]
    )
    assert many.message == (
        'Apply failed with 3 conflicts: conflicts with "m1":\n- .a\n- .b\nconflicts with "m2":\n- .c'
    )


def test_the_future():
    status = errors.future_revision(9, 3).status()
    assert status["message"] == "Timeout: Too large resource version: 9, current: 3"
    assert status["details"] == {
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
        "retryAfterSeconds": 1,
    }


def test_success():
    assert errors.success(code=201)["code"] == 201
    assert "code" not in errors.success(details={"name": "x"})
