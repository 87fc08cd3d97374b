"""Lists, pages, selectors, Tables and watches."""

import pytest

from conformance.kubeapi import TABLE, Answer

PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


@pytest.fixture
def three(admin, cms):
    """ConfigMaps l1, l2, l3 with label l; the collection's path."""
    for index in "321":
        body = {"metadata": {"name": f"l{index}", "labels": {"l": index, "set": "l"}}, "data": {"i": index}}
        assert admin.post(cms, body).status == 201
    return cms


def listed(answer: Answer) -> list[str]:
    assert answer.status == 200, answer.raw
    return [item["metadata"]["name"] for item in answer.json["items"]]


def here(admin, path: str) -> str:
    revision: str = admin.get(path).json["metadata"]["resourceVersion"]
    return revision


def test_a_list_is_sorted_and_its_items_have_no_type(admin, three):
    answer = admin.get(f"{three}?labelSelector=set%3Dl").json
    assert (answer["kind"], answer["apiVersion"]) == ("ConfigMapList", "v1")
    assert [item["metadata"]["name"] for item in answer["items"]] == ["l1", "l2", "l3"]
    assert "kind" not in answer["items"][0]
    namespace = three.split("/")[4]
    assert b'"items":[]' in admin.get(f"/api/v1/namespaces/{namespace}/services").raw
    assert set(listed(admin.get("/api/v1/configmaps"))) >= {"l1", "l2", "l3"}


def test_selectors_choose(admin, three):
    assert listed(admin.get(f"{three}?labelSelector=l%20in%20(1,2)")) == ["l1", "l2"]
    assert listed(admin.get(f"{three}?labelSelector=set%3Dl,l!%3D2")) == ["l1", "l3"]
    assert listed(admin.get(f"{three}?fieldSelector=metadata.name%3Dl2")) == ["l2"]
    admin.get(f"{three}?labelSelector=a%20in%20(").refused(400, "BadRequest", "unable to parse requirement")
    admin.get(f"{three}?fieldSelector=data.a%3D1").refused(400, "BadRequest", "is not a known field selector")


def test_pages_are_of_one_snapshot(admin, three):
    path = f"{three}?labelSelector=set%3Dl&limit=2"
    first = admin.get(path).json
    token = first["metadata"]["continue"]
    late = {"metadata": {"name": "l9", "labels": {"set": "l"}}}
    assert admin.post(three, late).status == 201
    assert admin.patch(f"{three}/l3", {"data": {"i": "changed"}}).status == 200
    second = admin.get(f"{path}&continue={token}").json
    assert [item["metadata"]["name"] for item in second["items"]] == ["l3"]
    assert second["items"][0]["data"] == {"i": "3"}
    assert second["metadata"] == {"resourceVersion": first["metadata"]["resourceVersion"]}
    assert admin.get(f"{three}?limit=1").json["metadata"]["remainingItemCount"] >= 3
    admin.get(f"{three}?limit=1&continue=abc").refused(400, "BadRequest", "invalid continue token")


def test_a_list_at_a_revision(admin, three):
    then = here(admin, three)
    admin.post(three, {"metadata": {"name": "after"}})
    exact = admin.get(f"{three}?resourceVersion={then}&resourceVersionMatch=Exact")
    assert "after" not in listed(exact)
    assert exact.json["metadata"]["resourceVersion"] == then
    assert "after" in listed(admin.get(f"{three}?resourceVersion={then}&resourceVersionMatch=NotOlderThan"))
    assert "after" in listed(admin.get(f"{three}?resourceVersion=0"))
    admin.get(f"{three}?resourceVersionMatch=Exact").refused(
        422, "Invalid", "forbidden unless resourceVersion is provided"
    )


def test_a_revision_of_the_future_times_out(admin, three):
    answer = admin.get(f"{three}?resourceVersion=99999999")
    status = answer.refused(504, "Timeout", "Too large resource version: 99999999")
    assert status["details"]["retryAfterSeconds"] == 1
    assert status["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"
    assert answer.headers["retry-after"] == "1"


def test_tables_and_metadata(admin, three):
    table = admin.get(f"{three}?labelSelector=set", accept=TABLE).json
    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert [row["cells"][:2] for row in table["rows"]] == [["l1", 1], ["l2", 1], ["l3", 1]]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    assert admin.get(f"{three}?includeObject=None", accept=TABLE).json["rows"][0]["object"] is None
    assert len(admin.get(f"{three}/l1", accept=TABLE).json["rows"]) == 1
    names = admin.get(three, accept=PARTIAL.replace("Metadata", "MetadataList")).json
    assert names["kind"] == "PartialObjectMetadataList"
    assert set(names["items"][0]) == {"kind", "apiVersion", "metadata"}


def test_a_watch_from_a_revision_and_from_nothing(admin, three):
    then = here(admin, three)
    admin.patch(f"{three}/l1", {"data": {"i": "x"}})
    admin.delete(f"{three}/l2")
    with admin.watch(f"{three}?watch=1&resourceVersion={then}") as watch:
        assert [(e["type"], e["object"]["metadata"]["name"]) for e in watch.take(2)] == [
            ("MODIFIED", "l1"), ("DELETED", "l2"),
        ]  # fmt: skip
    with admin.watch(f"{three}?watch=true&fieldSelector=metadata.name%3Dl1") as watch:
        event = watch.next()
        assert (event["type"], event["object"]["data"]) == ("ADDED", {"i": "x"})
        assert event["object"]["kind"] == "ConfigMap"


def test_objects_enter_and_leave_a_selector(admin, three):
    with admin.watch(f"{three}?watch=1&resourceVersion={here(admin, three)}&labelSelector=set%3Dl") as watch:
        left = admin.patch(f"{three}/l1", {"metadata": {"labels": {"set": "no"}}}).json
        event = watch.next()
        assert event["type"] == "DELETED"
        assert event["object"]["metadata"]["labels"]["set"] == "l"
        assert event["object"]["metadata"]["resourceVersion"] == left["metadata"]["resourceVersion"]
        admin.patch(f"{three}/l1", {"metadata": {"labels": {"set": "l"}}})
        assert watch.next()["type"] == "ADDED"
        admin.patch(f"{three}/l1", {"data": {"i": "y"}})
        assert watch.next()["type"] == "MODIFIED"


def test_a_watch_list_ends_its_initial_events_with_a_bookmark(admin, three):
    query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&labelSelector=set"
    with admin.watch(f"{three}?{query}") as watch:
        events = watch.take(4)
        assert [event["type"] for event in events] == ["ADDED"] * 3 + ["BOOKMARK"]
        assert events[3]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        admin.patch(f"{three}/l2", {"data": {"q": "1"}})
        assert watch.next()["type"] == "MODIFIED"
    admin.get(f"{three}?watch=1&sendInitialEvents=true").refused(422, "Invalid", "resourceVersionMatch")


def test_a_watch_ends_at_its_timeout(admin, three):
    with admin.watch(f"{three}?watch=1&timeoutSeconds=1&resourceVersion={here(admin, three)}") as watch:
        assert watch.next() is None


def test_a_watch_with_a_wrong_revision(admin, three):
    admin.get(f"{three}?watch=1&resourceVersion=abc").refused(400, "BadRequest")


def test_a_hundred_changes_come_in_order(admin, three):
    with admin.watch(f"{three}?watch=1&resourceVersion={here(admin, three)}") as watch:
        for index in range(100):
            admin.patch(f"{three}/l3", {"data": {"i": str(index)}})
        events = watch.take(100)
    assert [event["object"]["data"]["i"] for event in events] == [str(index) for index in range(100)]
    revisions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert revisions == sorted(set(revisions))


def test_a_watch_of_tables_and_of_metadata(admin, three):
    then = here(admin, three)
    admin.patch(f"{three}/l1", {"data": {"q": "1"}})
    admin.patch(f"{three}/l1", {"data": {"q": "2"}})
    with admin.watch(f"{three}?watch=1&resourceVersion={then}", accept=TABLE) as watch:
        first, second = watch.take(2)
        assert first["object"]["kind"] == "Table"
        assert first["object"]["columnDefinitions"]
        assert second["object"]["columnDefinitions"] is None
        assert second["object"]["rows"][0]["cells"][0] == "l1"
    with admin.watch(f"{three}?watch=1&resourceVersion={then}", accept=PARTIAL) as watch:
        event = watch.next()["object"]
        assert set(event) == {"kind", "apiVersion", "metadata"}
