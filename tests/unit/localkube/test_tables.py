"""Tables: ages, JSONPath, columns and cells."""

from datetime import UTC, datetime, timedelta

import pytest

from sympozium.localkube.builtin import BUILTIN
from sympozium.localkube.resources import Column, Resource
from sympozium.localkube.tables.age import age, duration
from sympozium.localkube.tables.jsonpath import JSONPathError, compile_path
from sympozium.localkube.tables.pods import reason
from sympozium.localkube.tables.table import table

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def resource(plural, group=""):
    return next(item for item in BUILTIN if item.plural == plural and item.group == group)


def cells(kind, obj, group=""):
    made = table(resource(kind, group), [obj], {})
    names = [column["name"] for column in made["columnDefinitions"]]
    (row,) = made["rows"]
    assert len(names) == len(row["cells"])
    return dict(zip(names, row["cells"], strict=True))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"), (119, "119s"), (120, "2m"), (125, "2m5s"), (599, "9m59s"), (600, "10m"), (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"), (3 * 3600 + 60, "3h1m"), (8 * 3600, "8h"), (47 * 3600, "47h"), (48 * 3600, "2d"),
        (52 * 3600, "2d4h"), (8 * 86400, "8d"), (700 * 86400, "700d"), (730 * 86400, "2y"), (-5, "<invalid>"),
    ],
)  # fmt: skip
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_ages():
    assert age("2026-01-02T03:04:00Z", NOW) == "5s"
    assert age("2026-01-02T03:04:00.000000Z", NOW) == "5s"
    assert age(None, NOW) == "<unknown>"
    assert age("yesterday", NOW) == "<unknown>"


OBJ = {
    "metadata": {"annotations": {"a.b/c": "v"}},
    "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]},
    "list": [1, 2, 3],
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".list[1]", [2]),
        (".list[-1]", [3]),
        (".list[9]", []),
        (".list[*]", [1, 2, 3]),
        ('.status.conditions[?(@.type=="Ready")].status', ["True"]),
        ("{.status.conditions[?(@.type!='Ready')].status}", ["False"]),
        (r".metadata.annotations.a\.b/c", ["v"]),
        (".metadata.annotations['a.b/c']", ["v"]),
        (".nope.x", []),
        (".status.conditions[*].type", ["Ready", "Other"]),
    ],
)
def test_jsonpath(path, found):
    assert compile_path(path)(OBJ) == found


@pytest.mark.parametrize("path", [".a[", ".a[?(@.b)]", ".a..b", "a b"])
def test_a_path_that_cannot_be_evaluated_is_refused(path):
    with pytest.raises(JSONPathError):
        compile_path(path)


def test_custom_columns():
    custom = Resource(
        group="g", version="v1", plural="ts", singular="t", kind="T", list_kind="TList", namespaced=True, custom=True,
        columns=(
            Column(name="Phase", path=".status.phase"),
            Column(name="N", type="integer", path=".spec.n", priority=1),
            Column(name="On", type="boolean", path=".spec.on"),
            Column(name="Since", type="date", path=".status.at"),
            Column(name="All", path=".spec.l[*]"),
        ),
    )  # fmt: skip
    at = (datetime.now(UTC) - timedelta(hours=4)).strftime("%Y-%m-%dT%H:%M:%SZ")
    full = {
        "metadata": {"name": "x"},
        "spec": {"n": 3, "on": False, "l": ["a", 2]},
        "status": {"phase": "P", "at": at},
    }
    made = table(custom, [full, {"metadata": {"name": "y"}}], {"resourceVersion": "7"})
    assert [(c["name"], c["priority"]) for c in made["columnDefinitions"]] == [
        ("Name", 0), ("Phase", 0), ("N", 1), ("On", 0), ("Since", 0), ("All", 0),
    ]  # fmt: skip
    assert [row["cells"] for row in made["rows"]] == [
        ["x", "P", 3, False, "4h", "a"],
        ["y", None, None, None, None, None],
    ]


def test_rows_carry_metadata_the_object_or_nothing():
    obj = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "x"}, "data": {"a": "1"}}
    rows = {
        include: table(resource("configmaps"), [obj], {}, include=include)["rows"][0]
        for include in ("Metadata", "Object", "None")
    }
    assert rows["Metadata"]["object"] == {
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": {"name": "x"},
    }  # fmt: skip
    assert rows["Object"]["object"] == obj
    assert rows["None"]["object"] is None


def test_later_tables_of_a_watch_have_no_headers():
    assert table(resource("configmaps"), [], {}, headers=False)["columnDefinitions"] is None


def pod(status, **more):
    spec = {"containers": [{"name": "main", "image": "i"}], **more.pop("spec", {})}
    return {"metadata": {"name": "p", **more}, "spec": spec, "status": status}


@pytest.mark.parametrize(
    ("status", "text"),
    [
        ({"phase": "Pending"}, "Pending"),
        ({"phase": "Failed", "reason": "Evicted"}, "Evicted"),
        (
            {"phase": "Pending", "containerStatuses": [{"name": "main", "state": {"waiting": {"reason": "ErrImagePull"}}}]},
            "ErrImagePull",
        ),
        (
            {"phase": "Succeeded", "containerStatuses": [{"name": "main", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]},
            "Completed",
        ),
        (
            {"phase": "Failed", "containerStatuses": [{"name": "main", "state": {"terminated": {"exitCode": 3}}}]},
            "ExitCode:3",
        ),
        (
            {"phase": "Failed", "containerStatuses": [{"name": "main", "state": {"terminated": {"exitCode": 137, "signal": 9}}}]},
            "Signal:9",
        ),
    ],
)  # fmt: skip
def test_the_status_of_a_pod_says_why(status, text):
    assert reason(pod(status)) == text


def test_the_status_of_a_pod_that_is_going_or_initializing():
    assert reason(pod({"phase": "Running"}, deletionTimestamp="2026-01-01T00:00:00Z")) == "Terminating"
    init = {"initContainers": [{"name": "i1"}, {"name": "i2"}]}
    done = {"name": "i1", "state": {"terminated": {"exitCode": 0}}}
    status = {"phase": "Pending", "initContainerStatuses": [done, {"name": "i2", "state": {"running": {}}}]}
    assert reason(pod(status, spec=init)) == "Init:1/2"
    failed = {"name": "i1", "state": {"terminated": {"exitCode": 2}}}
    assert (
        reason(pod({"phase": "Pending", "initContainerStatuses": [failed]}, spec=init)) == "Init:ExitCode:2"
    )


def test_cells_of_pods_count_sidecars():
    made = cells(
        "pods",
        pod(
            {
                "phase": "Running",
                "podIP": "10.0.0.1",
                "containerStatuses": [
                    {"name": "main", "ready": True, "restartCount": 1, "state": {"running": {}}}
                ],
                "initContainerStatuses": [
                    {"name": "side", "ready": True, "started": True, "restartCount": 2}
                ],
            },
            spec={"initContainers": [{"name": "side", "restartPolicy": "Always"}], "nodeName": "n1"},
        ),
    )
    assert made["Ready"] == "2/2"
    assert made["Restarts"] == "3"
    assert (made["IP"], made["Node"]) == ("10.0.0.1", "n1")


def test_cells_of_jobs():
    job = {
        "metadata": {"name": "j"},
        "spec": {
            "completions": 2,
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"spec": {"containers": []}},
        },
        "status": {
            "succeeded": 2,
            "startTime": "2026-01-01T00:00:00Z",
            "completionTime": "2026-01-01T00:00:07Z",
            "conditions": [{"type": "Complete", "status": "True"}],
        },
    }
    made = cells("jobs", job, "batch")
    assert (made["Status"], made["Completions"], made["Duration"]) == ("Complete", "2/2", "7s")
    assert made["Selector"] == "a=b"


def test_cells_of_small_kinds():
    meta = {"name": "x"}
    assert cells("secrets", {"metadata": meta, "type": "Opaque", "data": {"a": "", "b": ""}})["Data"] == 2
    assert cells("configmaps", {"metadata": meta, "data": {"a": ""}, "binaryData": {"b": ""}})["Data"] == 2
    assert cells("namespaces", {"metadata": meta, "status": {"phase": "Active"}})["Status"] == "Active"
    lease = cells("leases", {"metadata": meta, "spec": {"holderIdentity": "h"}}, "coordination.k8s.io")
    assert lease["Holder"] == "h"
    binding = {
        "metadata": meta,
        "roleRef": {"kind": "Role", "name": "r"},
        "subjects": [
            {"kind": "User", "name": "u"},
            {"kind": "Group", "name": "g"},
            {"kind": "ServiceAccount", "name": "s", "namespace": "n"},
        ],
    }
    made = cells("rolebindings", binding, "rbac.authorization.k8s.io")
    assert (made["Role"], made["Users"], made["Groups"], made["ServiceAccounts"]) == (
        "Role/r",
        "u",
        "g",
        "n/s",
    )
    node = {
        "metadata": meta,
        "spec": {"unschedulable": True},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }
    assert cells("nodes", node)["Status"] == "Ready,SchedulingDisabled"
    event = {
        "metadata": meta,
        "involvedObject": {"kind": "Pod", "name": "p"},
        "count": 3,
        "message": " m ",
        "type": "Normal",
    }
    made = cells("events", event)
    assert (made["Object"], made["Count"], made["Message"]) == ("pod/p", 3, "m")


@pytest.mark.parametrize("item", BUILTIN, ids=lambda item: f"{item.plural}.{item.group}")
def test_every_builtin_kind_has_cells_for_an_object_with_nothing_but_a_name(item):
    obj = {"metadata": {"name": "x"}}
    if item.plural.endswith("rolebindings"):
        obj["roleRef"] = {"kind": "Role", "name": "r"}
    made = table(item, [obj], {})
    assert len(made["rows"][0]["cells"]) == len(made["columnDefinitions"])
