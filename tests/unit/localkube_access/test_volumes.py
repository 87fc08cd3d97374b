"""Volumes, on values and on a real directory."""

import pytest

from sympozium.localkube.controllers.volumes import directory, match
from sympozium.localkube.controllers.volumes.binder import unsupported


def volume(name, size="1Gi", modes=("ReadWriteOnce",), claim=None, phase="Available", **spec):
    base = {"capacity": {"storage": size}, "accessModes": list(modes), "volumeMode": "Filesystem"}
    if claim:
        base["claimRef"] = claim
    return {"metadata": {"name": name}, "spec": base | spec, "status": {"phase": phase}}


def claim(size="1Gi", modes=("ReadWriteOnce",), **spec):
    base = {"accessModes": list(modes), "resources": {"requests": {"storage": size}}}
    return {"metadata": {"name": "c", "namespace": "ns", "uid": "u"}, "spec": base | spec}


def chosen(one, *volumes):
    found = match.choose(one, volumes)
    return found["metadata"]["name"] if found else ""


def test_the_smallest_that_is_enough_is_taken():
    volumes = [volume("big", "9Gi"), volume("fit", "2Gi"), volume("small", "500Mi")]
    assert chosen(claim("1Gi"), *volumes) == "fit"
    assert chosen(claim("10Gi"), *volumes) == ""


@pytest.mark.parametrize(
    "other",
    [
        volume("x", modes=["ReadOnlyMany"]),
        volume("x", storageClassName="fast"),
        volume("x", volumeMode="Block"),
        volume("x", claim={"namespace": "ns", "name": "other"}),
        volume("x", claim={"namespace": "ns", "name": "c", "uid": "of an earlier claim"}),
        volume("x", phase="Released"),
    ],
)
def test_a_volume_that_does_not_suit_is_not_taken(other):
    assert chosen(claim(), other) == ""


def test_a_volume_that_is_kept_for_the_claim_comes_first():
    kept = volume("kept", "9Gi", claim={"namespace": "ns", "name": "c"})
    assert chosen(claim(), volume("smaller"), kept) == "kept"


def test_the_claims_of_a_pod_include_the_ephemeral_ones():
    volumes = [
        {"name": "a", "persistentVolumeClaim": {"claimName": "data"}},
        {"name": "b", "ephemeral": {}},
        {"name": "c", "emptyDir": {}},
    ]
    assert match.claims_of({"metadata": {"name": "p"}, "spec": {"volumes": volumes}}) == ["data", "p-b"]


@pytest.mark.parametrize(
    ("spec", "more", "word"),
    [
        ({"volumeMode": "Block"}, {}, "block device"),
        ({"selector": {}}, {}, ""),
        ({"selector": {"matchLabels": {"a": "b"}}}, {}, "Selector"),
        ({}, {"mountOptions": ["ro"]}, "mount options"),
        ({}, {"parameters": {"x": "y"}}, "no parameters, got x"),
        ({}, {}, ""),
    ],
)
def test_what_a_directory_cannot_do_is_said(spec, more, word):
    why = unsupported(claim(**spec), {"metadata": {"name": "s"}} | more)
    assert word in why
    assert bool(why) == bool(word)


def test_directories_are_made_and_removed_and_links_are_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    root = tmp_path / "volumes"
    made = directory.make(root, "pvc-1")
    assert made.stat().st_mode & 0o777 == 0o777
    (made / "link").symlink_to(outside)
    (made / "file").write_text("y")
    assert directory.make(root, "pvc-1") == made
    directory.remove(root, "pvc-1")
    directory.remove(root, "pvc-1")
    assert not made.exists()
    # The directory itself exchanged for a link.
    (root / "pvc-2").symlink_to(outside)
    directory.remove(root, "pvc-2")
    assert (outside / "precious").read_text() == "x"


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b"])
def test_no_name_leads_out_of_the_root(tmp_path, name):
    with pytest.raises(directory.DirectoryError):
        directory.remove(tmp_path, name)
