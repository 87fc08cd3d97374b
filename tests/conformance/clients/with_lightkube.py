"""lightkube: server-side apply, patches, watches, selectors, errors, custom resources."""

import sys
from pathlib import Path

from lightkube import ApiError, Client
from lightkube.codecs import load_all_yaml
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap
from lightkube.types import CascadeType, PatchType

namespace = sys.argv[1]
client = Client(namespace=namespace, field_manager="lk")

# Server-side apply: made, unchanged, in conflict, forced.
first = client.apply(ConfigMap(metadata=ObjectMeta(name="a", labels={"app": "x"}), data={"k": "1", "l": "1"}))
again = client.apply(ConfigMap(metadata=ObjectMeta(name="a", labels={"app": "x"}), data={"k": "1", "l": "1"}))
assert first.metadata.resourceVersion == again.metadata.resourceVersion
try:
    client.apply(ConfigMap(metadata=ObjectMeta(name="a"), data={"k": "2"}), field_manager="other")
except ApiError as error:
    assert error.status.code == 409, error.status
    assert error.status.details.causes[0].field == ".data.k", error.status
else:
    raise AssertionError("no conflict")
forced = client.apply(
    ConfigMap(metadata=ObjectMeta(name="a"), data={"k": "2"}), field_manager="other", force=True
)
assert forced.data == {"k": "2", "l": "1"}, forced.data

# Patches of each type.
assert client.patch(ConfigMap, "a", {"data": {"l": None}}, patch_type=PatchType.MERGE).data == {"k": "2"}
added = client.patch(
    ConfigMap, "a", [{"op": "add", "path": "/data/m", "value": "3"}], patch_type=PatchType.JSON
)
assert added.data["m"] == "3"
template = {
    "metadata": {"labels": {"app": "d"}},
    "spec": {"containers": [{"name": "c", "image": "one"}, {"name": "side", "image": "s"}]},
}
client.create(Deployment.from_dict({
    "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
    "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "d"}}, "template": template},
}))  # fmt: skip
image = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "two"}]}}}}
patched = client.patch(Deployment, "d", image)
assert [c.image for c in patched.spec.template.spec.containers] == ["two", "s"]
scaled = client.patch(Deployment.Scale, "d", {"spec": {"replicas": 0}}, patch_type=PatchType.MERGE)
assert (scaled.kind, scaled.spec.replicas or 0) == ("Scale", 0), scaled

# Watch: what is there, then what changes.
changes = client.watch(ConfigMap, labels={"app": "x"})
event, seen = next(changes)
assert (event, seen.metadata.name) == ("ADDED", "a")
client.patch(ConfigMap, "a", {"metadata": {"labels": {"app": "y"}}}, patch_type=PatchType.MERGE)
event, seen = next(changes)
assert (event, seen.metadata.name) == ("DELETED", "a"), event
assert [c.metadata.name for c in client.list(ConfigMap, labels={"app": ("y", "z")})] == ["a"]

# Custom resources, made from a file, with their defaults and a status.
for crd in load_all_yaml(Path(__file__).with_name("crd.yaml").read_text()):
    client.apply(crd, force=True)
established = client.wait(CustomResourceDefinition, "widgets.clients.example", for_conditions=["Established"])
assert established
Widget = create_namespaced_resource("clients.example", "v1", "Widget", "widgets")
made = client.create(Widget(metadata=ObjectMeta(name="w"), spec={"colour": "red"}))
assert made.spec == {"colour": "red", "size": 1}
made.spec["colour"] = "green"
assert client.replace(made).metadata.generation == 2
client.patch(Widget.Status, "w", {"status": {"seen": True}}, patch_type=PatchType.MERGE)
got = client.get(Widget, "w")
assert got.status == {"seen": True}
try:
    client.patch(Widget, "w", {"spec": {"size": -1}}, patch_type=PatchType.MERGE)
except ApiError as error:
    assert error.status.code == 422, error.status
    assert "spec.size" in error.status.message
else:
    raise AssertionError("a size below its minimum was taken")
client.delete(Widget, "w", cascade=CascadeType.FOREGROUND)
client.delete(Deployment, "d")
print("lightkube: all well")
