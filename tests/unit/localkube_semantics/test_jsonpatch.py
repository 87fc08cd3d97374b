import pytest
from hypothesis import given, strategies as st

from sympozium.localkube.errors import ApiError
from sympozium.localkube.patch.jsonpatch import MAX_OPERATIONS, json_patch

scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab/~", max_size=3)
documents = st.recursive(
    scalars, lambda c: st.lists(c, max_size=3) | st.dictionaries(st.text("ab/~", max_size=2), c, max_size=3)
)


def test_add_replaces_a_member_and_inserts_into_a_list():
    obj = {"a": 1, "l": [1, 3]}
    operations = [
        {"op": "add", "path": "/a", "value": 2},
        {"op": "add", "path": "/l/1", "value": 2},
        {"op": "add", "path": "/l/-", "value": 4},
    ]
    assert json_patch(obj, operations) == {"a": 2, "l": [1, 2, 3, 4]}


def test_escapes_are_resolved_in_the_right_order():
    assert json_patch({"~1": 0, "a/b": 0}, [{"op": "replace", "path": "/~01", "value": 1}])["~1"] == 1
    assert json_patch({"a/b": 0}, [{"op": "remove", "path": "/a~1b"}]) == {}


def test_move_and_copy():
    operations = [
        {"op": "copy", "from": "/a", "path": "/b"},
        {"op": "move", "from": "/a", "path": "/c"},
        {"op": "replace", "path": "/b/x", "value": 2},
    ]
    assert json_patch({"a": {"x": 1}}, operations) == {"b": {"x": 2}, "c": {"x": 1}}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/nope"},
        {"op": "add", "path": "/nope/x", "value": 1},
        {"op": "add", "path": "/l/5", "value": 1},
        {"op": "add", "path": "/l/x", "value": 1},
        {"op": "test", "path": "/a", "value": 2},
        {"op": "test", "path": "/a", "value": True},
        {"op": "test", "path": "/l/7", "value": None},
        {"op": "move", "from": "/l", "path": "/l/0"},
        {"op": "remove", "path": ""},
        {"op": "replace", "path": "", "value": {}},
        {"op": "test", "path": "", "value": {}},
        {"op": "move", "from": "/nope", "path": "/b"},
        {"op": "copy", "from": "/nope/x", "path": "/b"},
        {"op": "add", "path": "/l/-3", "value": 1},
        {"op": "frobnicate", "path": "/a"},
        {"op": "add", "path": "/a/b", "value": 1},
        {"op": "add", "value": 1},
    ],
)
def test_what_cannot_be_done_is_422(operation):
    with pytest.raises(ApiError) as caught:
        json_patch({"a": 1, "l": [1]}, [operation])
    assert caught.value.code == 422
    assert caught.value.message == "the server rejected our request due to an error in our request"


@pytest.mark.parametrize(
    ("operation", "result"),
    [
        ({"op": "replace", "path": "/b", "value": 1}, {"a": 1, "l": [1], "b": 1}),
        ({"op": "add", "path": "/a"}, {"a": None, "l": [1]}),
        ({"op": "copy", "from": "/b", "path": "/c"}, {"a": 1, "l": [1], "c": None}),
        ({"op": "add", "path": "x/b", "value": 1}, {"a": 1, "l": [1], "b": 1}),
        ({"op": "add", "path": "/l/-1", "value": 2}, {"a": 1, "l": [1, 2]}),
        ({"op": "remove", "path": "/l/-1"}, {"a": 1, "l": []}),
    ],
)
def test_what_the_rfc_forbids_and_the_api_server_takes(operation, result):
    assert json_patch({"a": 1, "l": [1]}, [operation]) == result


def test_a_missing_last_key_tests_as_null():
    assert json_patch({"a": 1}, [{"op": "test", "path": "/b", "value": None}]) == {"a": 1}


def test_something_that_is_no_operation_is_400_and_too_many_are_413():
    with pytest.raises(ApiError) as caught:
        json_patch({}, ["remove everything"])
    assert caught.value.code == 400
    with pytest.raises(ApiError) as caught:
        json_patch({}, [{"op": "test", "path": "/a"}] * (MAX_OPERATIONS + 1))
    assert caught.value.code == 413


def test_a_patch_can_be_used_again():
    operations = [
        {"op": "add", "path": "/a", "value": {"l": []}},
        {"op": "add", "path": "/a/l/-", "value": 1},
    ]
    assert json_patch({}, operations) == json_patch({}, operations) == {"a": {"l": [1]}}


def pointers(value, path=""):
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from pointers(inner, path + "/" + key.replace("~", "~0").replace("/", "~1"))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from pointers(inner, f"{path}/{index}")


@given(documents, documents, st.data())
def test_what_was_put_somewhere_is_there(document, value, data):
    document = {"d": document}
    path = data.draw(st.sampled_from(list(pointers(document))[1:]))
    patched = json_patch(document, [{"op": "replace", "path": path, "value": value}])
    assert json_patch(patched, [{"op": "test", "path": path, "value": value}]) == patched


def test_copies_of_copies_end_before_the_memory_does():
    doubling = [{"op": "copy", "from": "/a", "path": f"/a/x{n}"} for n in range(60)]
    with pytest.raises(ApiError, match="accumulated size increase") as caught:
        json_patch({"a": {"x": "x" * 1000}}, doubling)
    assert caught.value.code == 413
    nesting = [{"op": "copy", "from": "/a", "path": "/a/b" + "/b" * n} for n in range(400)]
    with pytest.raises(ApiError, match="exceeded max depth"):
        json_patch({"a": {}}, nesting)
