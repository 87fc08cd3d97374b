"""Label and field selectors: the grammar, and what matches."""

import pytest
from hypothesis import given, strategies as st

from sympozium.localkube.builtin import BUILTIN
from sympozium.localkube.errors import ApiError
from sympozium.localkube.selectors import field_value, parse_fields, parse_labels

PODS = next(resource for resource in BUILTIN if resource.plural == "pods")
CONFIGMAPS = next(resource for resource in BUILTIN if resource.plural == "configmaps")
NODES = next(resource for resource in BUILTIN if resource.plural == "nodes")
JOBS = next(resource for resource in BUILTIN if resource.plural == "jobs")
EVENTS = next(resource for resource in BUILTIN if resource.plural == "events" and not resource.group)


def labelled(**labels):
    return {
        "metadata": {"name": "x", "labels": {key.replace("_", "/"): value for key, value in labels.items()}}
    }


@pytest.mark.parametrize(
    ("text", "labels", "matches"),
    [
        ("a=1", {"a": "1"}, True),
        ("a==1", {"a": "1"}, True),
        ("a = 1", {"a": "2"}, False),
        ("a!=1", {}, True),
        ("a!=1", {"a": "1"}, False),
        ("a in (1,2)", {"a": "2"}, True),
        ("a in (1, 2)", {}, False),
        ("a notin (1,2)", {}, True),
        ("a notin (1,2)", {"a": "1"}, False),
        ("a", {"a": ""}, True),
        ("a", {}, False),
        ("!a", {}, True),
        ("! a", {"a": "1"}, False),
        ("a=", {"a": ""}, True),
        ("a=", {"a": "1"}, False),
        ("a in (,1)", {"a": ""}, True),
        ("a>3", {"a": "4"}, True),
        ("a<3", {"a": "4"}, False),
        ("a>3", {"a": "x"}, False),
        ("a=1,b=2", {"a": "1", "b": "2"}, True),
        ("a=1,b=2", {"a": "1"}, False),
        ("x.y/z=1", {"x.y_z": "1"}, True),
        ("in=1", {"in": "1"}, True),
        ("", {}, True),
    ],
)
def test_label_selectors(text, labels, matches):
    assert parse_labels(text).matches(labelled(**labels)) is matches


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a in", "unable to parse requirement: found '' expected: '('"),
        ("a in 1", "unable to parse requirement: found '1' expected: '('"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a==(", "unable to parse requirement: found '(', expected: identifier"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("a,,b", "found ',', expected: identifier after ','"),
        ("a=1,", "found '', expected: identifier after ','"),
        ("=1", "found '=', expected: !, identifier, or 'end of string'"),
        (",a", "found ',', expected: !, identifier, or 'end of string'"),
        ("!a=1", "found '=', expected: ',' or 'end of string'"),
        ("/x=y", 'unable to parse requirement: <nil>: Invalid value: "/x": prefix part must be non-empty'),
    ],
)
def test_malformed_label_selectors_are_400_with_the_real_servers_words(text, why):
    with pytest.raises(ApiError) as caught:
        parse_labels(text)
    assert (caught.value.code, caught.value.message) == (400, why)


@pytest.mark.parametrize("text", ["a>b", "a=-x", "-a=1", "a/b/c=1", f"a={'x' * 64}"])
def test_selectors_with_impossible_keys_or_values_are_400(text):
    with pytest.raises(ApiError, match=r"^unable to parse requirement: ") as caught:
        parse_labels(text)
    assert caught.value.code == 400


def test_an_empty_set_is_the_set_of_the_empty_value():
    assert parse_labels("a in ()").matches(labelled(a=""))
    assert not parse_labels("a notin ()").matches(labelled(a=""))
    assert not parse_labels("a in ()").matches(labelled(a="b"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("metadata.name=a=b", "invalid field selector: unescaped character in value: 61"),
        ("metadata.name=\\a", "invalid field selector: invalid escape sequence: \\a"),
    ],
)
def test_field_selectors_with_bad_escapes_are_400(text, why):
    resource = next(r for r in BUILTIN if r.plural == "configmaps")
    with pytest.raises(ApiError) as caught:
        parse_fields(text, resource)
    assert (caught.value.code, caught.value.message) == (400, why)


word = st.from_regex(r"\A[a-z]([a-z0-9]{0,5}[a-z0-9])?\Z").filter(lambda text: text not in {"in", "notin"})


@given(st.dictionaries(word, word, max_size=4), word, word)
def test_equality_and_its_negation_are_opposites(labels, key, value):
    obj = {"metadata": {"labels": labels}}
    assert parse_labels(f"{key}={value}").matches(obj) != parse_labels(f"{key}!={value}").matches(obj)
    assert parse_labels(f"{key} in ({value})").matches(obj) == parse_labels(f"{key}={value}").matches(obj)
    assert parse_labels(f"{key} notin ({value})").matches(obj) == parse_labels(f"{key}!={value}").matches(obj)


def test_field_selectors_of_pods():
    pod = {
        "metadata": {"name": "p", "namespace": "n"},
        "spec": {"nodeName": "n1", "restartPolicy": "Never"},
        "status": {"phase": "Running"},
    }
    assert parse_fields("spec.nodeName=n1,status.phase!=Failed", PODS).matches(pod)
    assert not parse_fields("metadata.name=q", PODS).matches(pod)
    assert parse_fields("spec.hostNetwork=false,status.podIP=", PODS).matches(pod)
    assert parse_fields("metadata.name==p", PODS).exact("metadata.name") == "p"


def test_values_may_be_escaped():
    assert parse_fields(r"metadata.name=a\,b\=c", PODS).exact("metadata.name") == "a,b=c"


def test_unknown_fields_are_refused_in_the_words_of_the_kind():
    with pytest.raises(ApiError, match=r"field label not supported: spec.n"):
        parse_fields("spec.n=1", PODS)
    with pytest.raises(ApiError, match=r'"data.a" is not a known field selector: only "metadata.name"'):
        parse_fields("data.a=1", CONFIGMAPS)
    with pytest.raises(ApiError, match="invalid selector"):
        parse_fields("metadata.name", PODS)


def test_fields_whose_text_is_not_their_path():
    assert field_value({"status": {"succeeded": 2}}, "status.successful") == "2"
    assert field_value({}, "status.successful") == "0"
    assert field_value({"spec": {"unschedulable": True}}, "spec.unschedulable") == "true"
    assert field_value({"source": {"component": "kubelet"}}, "source") == "kubelet"
    assert parse_fields("spec.unschedulable=false", NODES).matches({"spec": {}})
    assert parse_fields("status.successful=0", JOBS).matches({})
    assert parse_fields("involvedObject.name=x", EVENTS).matches({"involvedObject": {"name": "x"}})
