import copy

from hypothesis import given, strategies as st

from sympozium.localkube.patch.merge import merge_patch

keys = st.sampled_from("abc")
leaves = st.booleans() | st.integers(0, 3) | st.sampled_from(["x", "y"])
values = st.recursive(leaves, lambda c: st.lists(c, max_size=2) | st.dictionaries(keys, c, max_size=3))
patches = st.recursive(
    leaves | st.none(), lambda c: st.lists(c, max_size=2) | st.dictionaries(keys, c, max_size=3)
)


def flatten(value, prefix=()):
    """Path -> leaf; lists are leaves. The model: a document is a set of paths."""
    if isinstance(value, dict):
        out = {prefix: "{}"}
        for key, inner in value.items():
            out |= flatten(inner, (*prefix, key))
        return out
    return {prefix: repr(value)}


def model(target, patch):
    """Merging on paths: each path of the patch first clears what is there in another form."""
    paths = flatten(target)

    def visit(part, path):
        if isinstance(part, dict):
            if paths.get(path) != "{}":
                clear(path)
                paths[path] = "{}"
            for key, inner in part.items():
                if inner is None:
                    clear((*path, key))
                else:
                    visit(inner, (*path, key))
        else:
            clear(path)
            paths[path] = repr(part)

    def clear(path):
        for known in [known for known in paths if known[: len(path)] == path]:
            del paths[known]

    visit(patch, ())
    return paths


@given(values, patches.filter(lambda patch: patch is not None))
def test_merging_is_the_union_of_paths_in_which_null_deletes(target, patch):
    assert flatten(merge_patch(copy.deepcopy(target), patch)) == model(target, patch)


@given(values, patches)
def test_merging_twice_is_merging_once_and_leaves_the_patch_alone(target, patch):
    before = copy.deepcopy(patch)
    once = merge_patch(copy.deepcopy(target), patch)
    assert merge_patch(copy.deepcopy(once), patch) == once
    assert patch == before


def test_nulls_inside_new_objects_are_not_stored_and_lists_are_replaced():
    assert merge_patch({"l": [1, 2]}, {"a": {"b": None, "c": 1}, "l": [3]}) == {"a": {"c": 1}, "l": [3]}


def test_the_result_shares_nothing_with_the_patch():
    patch = {"a": {"b": [1]}, "l": [{"x": 1}]}
    merged = merge_patch({}, patch)
    merged["a"]["b"].append(2)
    merged["l"][0]["x"] = 2
    assert patch == {"a": {"b": [1]}, "l": [{"x": 1}]}
