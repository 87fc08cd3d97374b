"""Selectors, and the PodTemplate."""

from sympozium.localkube.defaults.labels import label_causes, matches, selector_shape_causes
from sympozium.localkube.defaults.podspec import default_spec
from sympozium.localkube.defaults.podvalidation import check_spec
from sympozium.localkube.defaults.podwarnings import spec_warnings
from sympozium.localkube.defaults.strategy import Strategy, Warn
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Cause, Object


def selector_causes(spec: Object, path: str) -> list[Cause]:
    """A selector has to say something, and the template has to fit it."""
    selector = spec.get("selector")
    labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    if selector is None:
        return [gotext.required(f"{path}.selector")]
    causes = selector_shape_causes(selector, f"{path}.selector")
    if not selector.get("matchLabels") and not selector.get("matchExpressions"):
        why = "empty selector is invalid for deployment"
        causes.append(gotext.invalid(f"{path}.selector", selector, why))
    elif not causes and not matches(selector, labels):
        why = "`selector` does not match template `labels`"
        causes.append(gotext.invalid(f"{path}.template.metadata.labels", labels, why))
    return causes


def _default_pod_template(obj: Object) -> None:
    default_spec(obj.setdefault("template", {}).setdefault("spec", {}))


def _check_pod_template(obj: Object, _old: Object | None, _subresource: str) -> list[Cause]:
    labels = (obj["template"].get("metadata") or {}).get("labels")
    return label_causes(labels, "template.labels") + check_spec(obj["template"]["spec"], "template.spec")


def template_warnings(path: str) -> Warn:
    """Warnings of a kind that has a pod template at `path`, when the object is new or its spec has changed."""
    parts = path.split(".")

    def warn(obj: Object, old: Object | None) -> list[str]:
        if old is not None and obj["metadata"].get("generation") == old["metadata"].get("generation"):
            return []
        found = obj
        for part in parts:
            found = found.get(part) or {}
        return spec_warnings(found.get("spec") or {}, f"{path}.spec")

    return warn


POD_TEMPLATE = Strategy(
    generation=True,
    default=_default_pod_template,
    check=_check_pod_template,
    warn=template_warnings("template"),
)
