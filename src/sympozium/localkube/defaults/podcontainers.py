"""What is wrong with a container of a pod's spec, in the API server's words and order."""

import re
from dataclasses import dataclass
from typing import Any

from sympozium.localkube.defaults.checks import (
    Causes,
    below,
    config_key,
    not_negative,
    optional_word,
    port_name_errors,
    port_number,
    port_or_name,
    word,
)
from sympozium.localkube.defaults.fieldrefs import ENV_FIELDS, field_causes, resource_causes
from sympozium.localkube.defaults.labels import name_causes
from sympozium.localkube.defaults.podresources import requirement_causes
from sympozium.localkube.defaults.podsecurity import container_causes as security_causes
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Object

_ENV = re.compile(r"[ -<>-~]+")
_ENV_TEXT = "a valid environment variable name must consist only of printable ASCII characters other than '='"
_HEADER = re.compile(r"[-A-Za-z0-9]+")
_HEADER_TEXT = (
    "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation"
    " is '[-A-Za-z0-9]+')"
)
_PULL = ("Always", "IfNotPresent", "Never")
_TERMINATION = ("File", "FallbackToLogsOnError")
_PROTOCOLS = ("SCTP", "TCP", "UDP")
_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_RESTART = ("Always", "Never", "OnFailure")


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What a container's rules ask of the pod: its good volumes by name, restart policy and grace period."""

    volumes: dict[str, Object]
    claims: frozenset[str]
    restart: str
    grace: int | None
    host_users: bool


def common_causes(container: Object, at: str, around: Around) -> Causes:
    """The rules of containers and init containers alike."""
    name = container.get("name") or ""
    causes = name_causes(name, f"{at}.name", "label") if name else [gotext.required(f"{at}.name")]
    if not container.get("image"):
        causes.append(gotext.required(f"{at}.image"))
    policy = container.get("terminationMessagePolicy")
    causes += word(policy, _TERMINATION, f"{at}.terminationMessagePolicy")
    causes += _ports(container.get("ports") or (), f"{at}.ports")
    causes += _env(container.get("env") or (), f"{at}.env")
    causes += _env_from(container.get("envFrom") or (), f"{at}.envFrom")
    causes += _mounts(container, f"{at}.volumeMounts", around)
    causes += _devices(container, f"{at}.volumeDevices", around)
    causes += word(container.get("imagePullPolicy"), _PULL, f"{at}.imagePullPolicy")
    causes += requirement_causes(container.get("resources") or {}, f"{at}.resources", around.claims)
    causes += _resize(container.get("resizePolicy") or (), f"{at}.resizePolicy", around.restart)
    context = container.get("securityContext")
    return causes + security_causes(context, f"{at}.securityContext", host_users=around.host_users)


def _ports(ports: Any, path: str) -> Causes:
    causes: Causes = []
    names: set[str] = set()
    for index, port in enumerate(ports):
        at, name = f"{path}[{index}]", port.get("name") or ""
        if name:
            errors = port_name_errors(name)
            causes += [gotext.invalid(f"{at}.name", name, why) for why in errors]
            if not errors and name in names:
                causes.append(gotext.duplicate(f"{at}.name", name))
            elif not errors:
                names.add(name)
        if not port.get("containerPort"):
            causes.append(gotext.required(f"{at}.containerPort"))
        else:
            causes += port_number(port["containerPort"], f"{at}.containerPort")
        if port.get("hostPort"):
            causes += port_number(port["hostPort"], f"{at}.hostPort")
        causes += word(port.get("protocol"), _PROTOCOLS, f"{at}.protocol")
    return causes


def host_port_causes(containers: list[Object], path: str) -> Causes:
    """A port of the host belongs to one container."""
    causes: Causes = []
    taken: set[str] = set()
    for index, container in enumerate(containers):
        for place, port in enumerate(container.get("ports") or ()):
            if not port.get("hostPort"):
                continue
            shown = f"{port.get('protocol') or ''}/{port.get('hostIP') or ''}/{port['hostPort']}"
            if shown in taken:
                causes.append(gotext.duplicate(f"{path}[{index}].ports[{place}].hostPort", shown))
            taken.add(shown)
    return causes


def _env_name(name: str, path: str) -> Causes:
    return [] if _ENV.fullmatch(name) else [gotext.invalid(path, name, _ENV_TEXT)]


def _env(variables: Any, path: str) -> Causes:
    causes: Causes = []
    for index, env in enumerate(variables):
        at, name = f"{path}[{index}]", env.get("name") or ""
        causes += _env_name(name, f"{at}.name") if name else [gotext.required(f"{at}.name")]
        source = env.get("valueFrom")
        if source is not None:
            causes += _env_source(source, f"{at}.valueFrom", bool(env.get("value")))
    return causes


def _env_source(source: Object, at: str, valued: bool) -> Causes:
    causes: Causes = []
    if "fieldRef" in source:
        causes += field_causes(source["fieldRef"], ENV_FIELDS, f"{at}.fieldRef")
    if "resourceFieldRef" in source:
        causes += resource_causes(source["resourceFieldRef"], f"{at}.resourceFieldRef", volume=False)
    for key in ("configMapKeyRef", "secretKeyRef"):
        if key in source:
            causes += name_causes(source[key].get("name") or "", f"{at}.{key}.name")
            name = source[key].get("key") or ""
            causes += config_key(name, f"{at}.{key}.key") if name else [gotext.required(f"{at}.{key}.key")]
    if not source:
        why = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
        causes.append(gotext.invalid(at, "", why))
    elif valued:
        causes.append(gotext.invalid(at, "", "may not be specified when `value` is not empty"))
    elif len(source) > 1:
        causes.append(gotext.invalid(at, "", "may not have more than one field specified at a time"))
    return causes


def _env_from(sources: Any, path: str) -> Causes:
    causes: Causes = []
    for index, source in enumerate(sources):
        at = f"{path}[{index}]"
        if source.get("prefix"):
            causes += _env_name(source["prefix"], f"{at}.prefix")
        kinds = [key for key in ("configMapRef", "secretRef") if key in source]
        for kind in kinds:
            name = source[kind].get("name") or ""
            causes += (
                name_causes(name, f"{at}.{kind}.name") if name else [gotext.required(f"{at}.{kind}.name")]
            )
        if not kinds:
            causes.append(gotext.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif len(kinds) > 1:
            causes.append(gotext.invalid(path, "", "may not have more than one field specified at a time"))
    return causes


def _mounts(container: Object, path: str, around: Around) -> Causes:
    causes: Causes = []
    places: set[str] = set()
    devices = {d.get("name"): d.get("devicePath") for d in container.get("volumeDevices") or ()}
    privileged = (container.get("securityContext") or {}).get("privileged")
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        at, name, place = f"{path}[{index}]", mount.get("name") or "", mount.get("mountPath") or ""
        if not name:
            causes.append(gotext.required(f"{at}.name"))
        if name not in around.volumes:
            causes.append(gotext.not_found(f"{at}.name", name))
        if not place:
            causes.append(gotext.required(f"{at}.mountPath"))
        if place in places:
            causes.append(gotext.invalid(f"{at}.mountPath", place, "must be unique"))
        places.add(place)
        if name in devices:
            causes.append(gotext.invalid(f"{at}.name", name, "must not already exist in volumeDevices"))
        if place in devices.values():
            why = "must not already exist as a path in volumeDevices"
            causes.append(gotext.invalid(f"{at}.mountPath", place, why))
        causes += _sub_paths(mount, at, path)
        # The index is not in these: the API server leaves it out.
        spreading = mount.get("mountPropagation")
        causes += optional_word(spreading, _PROPAGATIONS, f"{path}.mountPropagation")
        if spreading == "Bidirectional" and not privileged:
            why = "Bidirectional mount propagation is available only to privileged containers"
            causes.append(gotext.forbidden(f"{path}.mountPropagation", why))
        causes += _recursive(mount, f"{path}.recursiveReadOnly")
    return causes


def _sub_paths(mount: Object, at: str, path: str) -> Causes:
    sub, expression = mount.get("subPath") or "", mount.get("subPathExpr") or ""
    causes = below(sub, f"{path}.subPath")
    if sub and expression:
        why = "subPathExpr and subPath are mutually exclusive"
        causes.append(gotext.invalid(f"{at}.subPathExpr", expression, why))
    return causes + below(expression, f"{path}.subPathExpr")


def _recursive(mount: Object, at: str) -> Causes:
    wanted = mount.get("recursiveReadOnly")
    if wanted in {None, "Disabled"}:
        return []
    if wanted not in {"Enabled", "IfPossible"}:
        return [gotext.unsupported(at, wanted, ("Disabled", "Enabled", "IfPossible"))]
    causes: Causes = []
    if not mount.get("readOnly"):
        causes.append(gotext.forbidden(at, "may only be specified when readOnly is true"))
    if mount.get("mountPropagation") not in {None, "None"}:
        why = "may only be specified when mountPropagation is None or not specified"
        causes.append(gotext.forbidden(at, why))
    return causes


def _devices(container: Object, path: str, around: Around) -> Causes:
    causes: Causes = []
    mounts = {mount.get("name"): mount.get("mountPath") for mount in container.get("volumeMounts") or ()}
    names: set[str] = set()
    places: set[str] = set()
    for index, device in enumerate(container.get("volumeDevices") or ()):
        at, name, place = f"{path}[{index}]", device.get("name") or "", device.get("devicePath") or ""
        volume = around.volumes.get(name)
        if not name:
            causes.append(gotext.required(f"{at}.name"))
        if name in names:
            causes.append(gotext.invalid(f"{at}.name", name, "must be unique"))
        if volume is None:
            causes.append(gotext.not_found(f"{at}.name", name))
        elif not {"persistentVolumeClaim", "ephemeral"} & set(volume):
            why = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            causes.append(gotext.invalid(f"{at}.name", name, why))
        if not place:
            causes.append(gotext.required(f"{at}.devicePath"))
        if place in places:
            causes.append(gotext.invalid(f"{at}.devicePath", place, "must be unique"))
        if ".." in place.split("/"):
            causes.append(gotext.invalid(f"{at}.devicePath", place, "can not contain backsteps ('..')"))
        if name in mounts:
            causes.append(gotext.invalid(f"{at}.name", name, "must not already exist in volumeMounts"))
        names.add(name)
        places.add(place)
    return causes


def _resize(policies: Any, path: str, restart: str) -> Causes:
    causes: Causes = []
    seen: set[str] = set()
    for index, policy in enumerate(policies):
        name, what = policy.get("resourceName") or "", policy.get("restartPolicy") or ""
        if name in seen:
            causes.append(gotext.duplicate(f"{path}[{index}]", name))
        seen.add(name)
        causes += word(name, ("cpu", "memory"), path)
        causes += word(what, ("NotRequired", "RestartContainer"), path)
        if restart == "Never" and what != "NotRequired":
            why = "must be 'NotRequired' when pod `restartPolicy` is 'Never'"
            causes.append(gotext.invalid(path, what, why))
    return causes


def running_causes(container: Object, at: str, around: Around) -> Causes:
    """Hooks and probes: of containers, and of init containers that keep running."""
    causes: Causes = []
    hooks = container.get("lifecycle") or {}
    for name in ("postStart", "preStop"):
        if hooks.get(name) is not None:
            causes += _handler(hooks[name], f"{at}.lifecycle.{name}", around.grace)
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(name)
        if probe is None:
            continue
        causes += _probe(probe, f"{at}.{name}", around.grace)
        if name == "readinessProbe":
            grace = probe.get("terminationGracePeriodSeconds")
            if grace is not None:
                why = "must not be set for readinessProbes"
                causes.append(gotext.invalid(f"{at}.{name}.terminationGracePeriodSeconds", grace, why))
        elif probe.get("successThreshold", 1) != 1:
            causes.append(
                gotext.invalid(f"{at}.{name}.successThreshold", probe["successThreshold"], "must be 1")
            )
    return causes


def _probe(probe: Object, at: str, grace: int | None) -> Causes:
    causes = _handler(probe, at, grace)
    for key in (
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ):
        causes += not_negative(probe.get(key), f"{at}.{key}")
    own = probe.get("terminationGracePeriodSeconds")
    if own is not None and own <= 0:
        causes.append(gotext.invalid(f"{at}.terminationGracePeriodSeconds", own, "must be greater than 0"))
    return causes


_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")


def _handler(action: Object, at: str, grace: int | None) -> Causes:
    """A probe or a hook does exactly one thing."""
    given = [key for key in _HANDLERS if key in action]
    if not given:
        return [gotext.required(at, "must specify a handler type")]
    kind, what = given[0], action[given[0]]
    place = f"{at}.{kind}"
    causes: Causes = []
    if kind == "exec" and not what.get("command"):
        causes.append(gotext.required(f"{place}.command"))
    elif kind == "httpGet":
        causes += _http(what, place)
    elif kind == "tcpSocket":
        causes += port_or_name(what.get("port"), f"{place}.port")
    elif kind == "grpc":
        causes += port_number(what.get("port") or 0, f"{place}.port")
    elif kind == "sleep" and grace is not None and not 0 <= (what.get("seconds") or 0) <= grace:
        why = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
        causes.append(gotext.invalid(place, what.get("seconds") or 0, why))
    more = [gotext.forbidden(f"{at}.{key}", "may not specify more than 1 handler type") for key in given[1:]]
    return causes + more


def _http(action: Object, at: str) -> Causes:
    causes = [] if action.get("path") else [gotext.required(f"{at}.path")]
    causes += port_or_name(action.get("port"), f"{at}.port")
    scheme = action.get("scheme") or ""
    if scheme not in {"HTTP", "HTTPS"}:
        causes.append(gotext.unsupported(f"{at}.scheme", scheme, ("HTTP", "HTTPS")))
    return causes + [
        gotext.invalid(f"{at}.httpHeaders", header.get("name") or "", _HEADER_TEXT)
        for header in action.get("httpHeaders") or ()
        if not _HEADER.fullmatch(header.get("name") or "")
    ]


def restart_causes(container: Object, at: str) -> Causes:
    """RestartPolicy and restartPolicyRules of a container."""
    policy, rules = container.get("restartPolicy"), container.get("restartPolicyRules") or []
    causes: Causes = []
    if policy is None:
        if not rules:
            return []
        why = "must specify restartPolicy when restart rules are used"
        causes.append(gotext.required(f"{at}.restartPolicy", why))
    elif policy not in _RESTART:
        causes.append(gotext.unsupported(f"{at}.restartPolicy", policy, _RESTART))
    if len(rules) > 20:
        causes.append(gotext.too_many(f"{at}.restartPolicyRules", len(rules), 20))
    for index, rule in enumerate(rules):
        place = f"{at}.restartPolicyRules[{index}]"
        actions = ("Restart", "RestartAllContainers")
        if rule.get("action") not in actions:
            causes.append(gotext.unsupported(f"{place}.action", rule.get("action") or "", actions))
        codes = rule.get("exitCodes")
        if codes is None:
            causes.append(gotext.required(f"{place}.exitCodes", "must be specified"))
            continue
        if codes.get("operator") not in {"In", "NotIn"}:
            operator = codes.get("operator") or ""
            causes.append(gotext.unsupported(f"{place}.exitCodes.operator", operator, ("In", "NotIn")))
        if len(codes.get("values") or ()) > 255:
            causes.append(gotext.too_many(f"{place}.exitCodes.values", len(codes["values"]), 255))
    return causes
