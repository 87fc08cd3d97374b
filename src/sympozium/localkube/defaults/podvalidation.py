"""What is wrong with a pod's spec: the rules that people run into, with the API server's words."""

import re
from collections.abc import Callable
from typing import Any

from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Cause, Object
from sympozium.quantities import parse

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end"
    " with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is"
    " '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_ENV = re.compile(r"[ -<>-~]+")
_ENV_TEXT = "a valid environment variable name must consist only of printable ASCII characters other than '='"
_PULL = ("Always", "IfNotPresent", "Never")
_RESTART = ("Always", "OnFailure", "Never")
_DNS = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_TERMINATION = ("File", "FallbackToLogsOnError")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
Causes = list[Cause]


def check_spec(spec: Object, path: str) -> Causes:
    """Causes for a spec that has its defaults."""
    causes: Causes = []
    volumes = _volumes(spec.get("volumes") or [], f"{path}.volumes", causes)
    if not spec.get("containers"):
        causes.append(gotext.required(f"{path}.containers"))
    names: set[str] = set()
    for key in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(key) or ()):
            _container(container, f"{path}.{key}[{index}]", volumes, names, causes)
            if key == "containers" and container.get("lifecycle"):
                _hooks(container["lifecycle"], f"{path}.{key}[{index}].lifecycle", causes)
    _word(spec, "restartPolicy", _RESTART, path, causes)
    _word(spec, "dnsPolicy", _DNS, path, causes)
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= 2**31 - 1:
        why = "must be between 1 and 2147483647, inclusive"
        causes.append(gotext.invalid(f"{path}.activeDeadlineSeconds", deadline, why))
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        grace = spec["terminationGracePeriodSeconds"]
        causes.append(gotext.invalid(f"{path}.terminationGracePeriodSeconds", grace, _NOT_NEGATIVE))
    for key in ("hostname", "subdomain"):
        if spec.get(key):
            causes += label(spec[key], f"{path}.{key}")
    _tolerations(spec.get("tolerations") or (), f"{path}.tolerations", causes)
    return causes


_NOT_NEGATIVE = "must be greater than or equal to 0"


def label(name: str, path: str) -> Causes:
    """A lowercase RFC 1123 label."""
    causes: Causes = []
    if not _LABEL.fullmatch(name):
        causes.append(gotext.invalid(path, name, _LABEL_TEXT))
    if len(name) > 63:
        causes.append(gotext.invalid(path, name, "must be no more than 63 characters"))
    return causes


def _word(obj: Object, key: str, supported: tuple[str, ...], path: str, causes: Causes) -> None:
    value = obj.get(key)
    if value not in supported:
        if value in {None, ""}:
            causes.append(gotext.required(f"{path}.{key}"))
        else:
            causes.append(gotext.unsupported(f"{path}.{key}", value, supported))


_SOURCES = (
    *(
        "emptyDir",
        "hostPath",
        "gitRepo",
        "gcePersistentDisk",
        "awsElasticBlockStore",
        "secret",
        "nfs",
        "iscsi",
    ),
    *("glusterfs", "flocker", "persistentVolumeClaim", "rbd", "cinder", "cephfs", "quobyte", "downwardAPI"),
    *(
        "fc",
        "flexVolume",
        "configMap",
        "azureFile",
        "vsphereVolume",
        "photonPersistentDisk",
        "portworxVolume",
    ),
    *("azureDisk", "storageos", "projected", "scaleIO", "csi", "ephemeral", "image"),
)
"""In the order in which they are looked at: the first one is the volume's type, the others are too many."""


def _volumes(volumes: list[Object], path: str, causes: Causes) -> set[str]:
    names: set[str] = set()
    for index, volume in enumerate(volumes):
        at = f"{path}[{index}]"
        name = volume.get("name", "")
        if not name:
            causes.append(gotext.required(f"{at}.name"))
        elif name in names:
            causes.append(gotext.duplicate(f"{at}.name", name))
        else:
            causes += label(name, f"{at}.name")
        names.add(name)
        sources = sorted((key for key in volume if key != "name"), key=_SOURCES.index)
        if not sources:
            causes.append(gotext.required(at, "must specify a volume type"))
        causes += [
            gotext.forbidden(f"{at}.{key}", "may not specify more than 1 volume type") for key in sources[1:]
        ]
        for key, field in (
            ("secret", "secretName"),
            ("configMap", "name"),
            ("persistentVolumeClaim", "claimName"),
        ):
            if key in volume and not volume[key].get(field):
                causes.append(gotext.required(f"{at}.{key}.{field}"))
        if "hostPath" in volume and not volume["hostPath"].get("path"):
            causes.append(gotext.required(f"{at}.hostPath.path"))
    return names


def _container(container: Object, path: str, volumes: set[str], names: set[str], causes: Causes) -> None:
    name = container.get("name", "")
    if not name:
        causes.append(gotext.required(f"{path}.name"))
    elif name in names:
        causes.append(gotext.duplicate(f"{path}.name", name))
    else:
        causes += label(name, f"{path}.name")
    names.add(name)
    image = container.get("image", "")
    if not image:
        causes.append(gotext.required(f"{path}.image"))
    elif image != image.strip():
        causes.append(gotext.invalid(f"{path}.image", image, "must not have leading or trailing whitespace"))
    _word(container, "imagePullPolicy", _PULL, path, causes)
    _word(container, "terminationMessagePolicy", _TERMINATION, path, causes)
    if container.get("restartPolicy") not in {None, *_RESTART}:
        causes.append(gotext.unsupported(f"{path}.restartPolicy", container["restartPolicy"], _RESTART))
    _ports(container.get("ports") or (), f"{path}.ports", causes)
    _env(container, path, causes)
    _mounts(container.get("volumeMounts") or (), f"{path}.volumeMounts", volumes, causes)
    _resources(container.get("resources") or {}, f"{path}.resources", causes)
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(probe) is not None:
            _handler(container[probe], f"{path}.{probe}", causes)


def _ports(ports: Any, path: str, causes: Causes) -> None:
    names: set[str] = set()
    for index, port in enumerate(ports):
        at = f"{path}[{index}]"
        name = port.get("name")
        if name:
            if name in names:
                causes.append(gotext.duplicate(f"{at}.name", name))
            names.add(name)
            if len(name) > 15:
                causes.append(gotext.invalid(f"{at}.name", name, "must be no more than 15 characters"))
        for key in ("containerPort", "hostPort"):
            number = port.get(key)
            if key == "containerPort" and not number:
                causes.append(gotext.required(f"{at}.{key}"))
            elif number and not 1 <= number <= 65535:
                why = "must be between 1 and 65535, inclusive"
                causes.append(gotext.invalid(f"{at}.{key}", number, why))
        _word(port, "protocol", _PROTOCOLS, at, causes)


def _env(container: Object, path: str, causes: Causes) -> None:
    for index, env in enumerate(container.get("env") or ()):
        at = f"{path}.env[{index}]"
        name = env.get("name", "")
        if not name:
            causes.append(gotext.required(f"{at}.name"))
        elif not _ENV.fullmatch(name):
            causes.append(gotext.invalid(f"{at}.name", name, _ENV_TEXT))
        source = env.get("valueFrom")
        if source is None:
            continue
        if env.get("value"):
            why = "may not be specified when `value` is not empty"
            causes.append(gotext.invalid(f"{at}.valueFrom", "", why))
        elif not source:
            why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
            causes.append(gotext.invalid(f"{at}.valueFrom", "", why))
        elif len(source) > 1:
            causes.append(
                gotext.invalid(f"{at}.valueFrom", "", "may not have more than one field specified at a time")
            )
    for index, source in enumerate(container.get("envFrom") or ()):
        at = f"{path}.envFrom[{index}]"
        references = [key for key in ("configMapRef", "secretRef") if source.get(key)]
        if not references:
            causes.append(gotext.invalid(at, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif len(references) > 1:
            causes.append(gotext.invalid(at, "", "may not have more than one field specified at a time"))
        causes += [gotext.required(f"{at}.{key}.name") for key in references if not source[key].get("name")]


def _mounts(mounts: Any, path: str, volumes: set[str], causes: Causes) -> None:
    places: set[str] = set()
    for index, mount in enumerate(mounts):
        at = f"{path}[{index}]"
        name, place = mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            causes.append(gotext.required(f"{at}.name"))
        elif name not in volumes:
            causes.append(gotext.not_found(f"{at}.name", name))
        if not place:
            causes.append(gotext.required(f"{at}.mountPath"))
        elif place in places:
            causes.append(gotext.invalid(f"{at}.mountPath", place, "must be unique"))
        places.add(place)
        sub = mount.get("subPath", "")
        if sub.startswith("/"):
            causes.append(gotext.invalid(f"{at}.subPath", sub, "must be a relative path"))
        elif ".." in sub.split("/"):
            causes.append(gotext.invalid(f"{at}.subPath", sub, "must not contain '..'"))


def _resources(resources: Object, path: str, causes: Causes) -> None:
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for key, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in amounts.items():
            if parse(amount) < 0:
                causes.append(gotext.invalid(f"{path}.{key}[{name}]", amount, _NOT_NEGATIVE))
    for name, amount in requests.items():
        if name in limits and parse(amount) > parse(limits[name]):
            why = f"must be less than or equal to {name} limit of {limits[name]}"
            causes.append(gotext.invalid(f"{path}.requests", amount, why))


_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")


def _handler(action: Object, path: str, causes: Causes) -> None:
    """A probe or a hook does exactly one thing."""
    given = [key for key in _HANDLERS if key in action]
    if not given:
        causes.append(gotext.required(path, "must specify a handler type"))
    causes += [
        gotext.forbidden(f"{path}.{key}", "may not specify more than 1 handler type") for key in given[1:]
    ]
    checks: dict[str, Callable[[Object], bool]] = {
        "exec.command": lambda a: bool((a.get("exec") or {}).get("command")),
        "httpGet.port": lambda a: bool((a.get("httpGet") or {}).get("port")),
        "tcpSocket.port": lambda a: bool((a.get("tcpSocket") or {}).get("port")),
    }
    for field, present in checks.items():
        if field.partition(".")[0] in given and not present(action):
            causes.append(gotext.required(f"{path}.{field}"))


def _hooks(lifecycle: Object, path: str, causes: Causes) -> None:
    for name in ("postStart", "preStop"):
        if lifecycle.get(name) is not None:
            _handler(lifecycle[name], f"{path}.{name}", causes)


def _tolerations(tolerations: Any, path: str, causes: Causes) -> None:
    for index, toleration in enumerate(tolerations):
        at = f"{path}[{index}]"
        operator = toleration.get("operator") or "Equal"
        if operator not in {"Equal", "Exists"}:
            causes.append(gotext.unsupported(f"{at}.operator", operator, ("Equal", "Exists")))
        elif operator == "Exists" and toleration.get("value"):
            why = "value must be empty when `operator` is 'Exists'"
            causes.append(gotext.invalid(f"{at}.operator", toleration["value"], why))
        elif not toleration.get("key") and operator != "Exists":
            why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            causes.append(gotext.invalid(f"{at}.operator", operator, why))
        effects = ("NoSchedule", "PreferNoSchedule", "NoExecute")
        if toleration.get("effect") and toleration["effect"] not in effects:
            causes.append(gotext.unsupported(f"{at}.effect", toleration["effect"], effects))
        if toleration.get("tolerationSeconds") is not None and toleration.get("effect") != "NoExecute":
            why = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            causes.append(gotext.invalid(f"{at}.effect", toleration.get("effect", ""), why))
