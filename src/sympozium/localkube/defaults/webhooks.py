"""Webhook configurations: what they get, and what the API server could never call."""

from urllib.parse import urlsplit

from sympozium.localkube.defaults.labels import name_causes, selector_shape_causes
from sympozium.localkube.defaults.strategy import Strategy, fill
from sympozium.localkube.metadata import name_errors
from sympozium.localkube.schema import gotext
from sympozium.localkube.types import Cause, Object

_SIDE_EFFECTS = ("None", "NoneOnDryRun")
_FAILURE = ("Fail", "Ignore")
_MATCH = ("Equivalent", "Exact")
_REINVOCATION = ("IfNeeded", "Never")
_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_REVIEWS = ("v1", "v1beta1")
_SCOPES = ("*", "Cluster", "Namespaced")


def _default(config: Object) -> None:
    for webhook in config.get("webhooks") or ():
        fill(webhook, failurePolicy="Fail")
        fill(webhook, matchPolicy="Equivalent")
        webhook.setdefault("namespaceSelector", {})
        webhook.setdefault("objectSelector", {})
        fill(webhook, timeoutSeconds=10)
        for rule in webhook.get("rules") or ():
            fill(rule, scope="*")
        service = (webhook.get("clientConfig") or {}).get("service")
        if service:
            fill(service, port=443)


def _default_mutating(config: Object) -> None:
    _default(config)
    for webhook in config.get("webhooks") or ():
        fill(webhook, reinvocationPolicy="Never")


def _check(config: Object, _old: Object | None, _subresource: str) -> list[Cause]:
    causes: list[Cause] = []
    names: set[str] = set()
    for index, webhook in enumerate(config.get("webhooks") or ()):
        at = f"webhooks[{index}]"
        name = webhook.get("name", "")
        if not name:
            causes.append(gotext.required(f"{at}.name"))
        elif found := name_causes(name, f"{at}.name"):
            causes += found
        elif name.count(".") < 2:
            why = "should be a domain with at least three segments separated by dots"
            causes.append(gotext.invalid(f"{at}.name", name, why))
        elif name in names:
            causes.append(gotext.duplicate(f"{at}.name", name))
        names.add(name)
        causes += _webhook(webhook, at)
    return causes


def _webhook(webhook: Object, at: str) -> list[Cause]:
    effects = webhook.get("sideEffects")
    causes: list[Cause] = []
    if effects is None:
        causes.append(gotext.required(f"{at}.sideEffects", "must specify one of None, NoneOnDryRun"))
    elif effects not in _SIDE_EFFECTS:
        causes.append(gotext.unsupported(f"{at}.sideEffects", effects, _SIDE_EFFECTS))
    for key, supported in (("failurePolicy", _FAILURE), ("matchPolicy", _MATCH)):
        if webhook[key] not in supported:
            causes.append(gotext.unsupported(f"{at}.{key}", webhook[key], supported))
    again = webhook.get("reinvocationPolicy")
    if again is not None and again not in _REINVOCATION:
        causes.append(gotext.unsupported(f"{at}.reinvocationPolicy", again, _REINVOCATION))
    causes += _client(webhook.get("clientConfig") or {}, f"{at}.clientConfig")
    causes += _versions(webhook.get("admissionReviewVersions") or [], f"{at}.admissionReviewVersions")
    seconds = webhook["timeoutSeconds"]
    if not 1 <= seconds <= 30:
        why = "the timeout value must be between 1 and 30 seconds"
        causes.append(gotext.invalid(f"{at}.timeoutSeconds", seconds, why))
    for key in ("namespaceSelector", "objectSelector"):
        causes += selector_shape_causes(webhook[key], f"{at}.{key}")
    for index, rule in enumerate(webhook.get("rules") or ()):
        causes += rule_causes(rule, f"{at}.rules[{index}]")
    if webhook.get("matchConditions"):
        from sympozium.cel import requests
        from sympozium.localkube.defaults.policies import condition_causes

        known = requests.environment(params=False, authorizer=True)
        causes += condition_causes(webhook["matchConditions"], f"{at}.matchConditions", known)
    return causes


def _versions(versions: list[str], at: str) -> list[Cause]:
    known = ", ".join(_REVIEWS)
    if not versions:
        return [gotext.required(at, f"must specify one of {known}")]
    causes: list[Cause] = []
    for index, version in enumerate(versions):
        causes += name_causes(version, f"{at}[{index}]", "label1035")
        if version in versions[:index]:
            causes.append(gotext.invalid(f"{at}[{index}]", version, "duplicate version"))
    if not causes and not set(versions) & set(_REVIEWS):
        causes.append(gotext.invalid(at, versions, f"must include at least one of {known}"))
    return causes


def _service(service: Object, at: str) -> list[Cause]:
    causes = [gotext.required(f"{at}.{key}") for key in ("name", "namespace") if not service.get(key)]
    port = service.get("port")
    if port is not None and not 1 <= port <= 65535:
        why = "port is not valid: must be between 1 and 65535, inclusive"
        causes.append(gotext.invalid(f"{at}.port", port, why))
    path = service.get("path")
    if not path:
        return causes
    if not path.startswith("/"):
        causes.append(gotext.invalid(f"{at}.path", path, "must start with a '/'"))
    for index, segment in enumerate(
        path.removeprefix("/").removesuffix("/").split("/") if path != "/" else ()
    ):
        if not segment:
            causes.append(gotext.invalid(f"{at}.path", path, f"segment[{index}] may not be empty"))
        causes += [
            gotext.invalid(f"{at}.path", path, f"segment[{index}]: {why}")
            for why in (name_errors(segment, "subdomain") if segment else ())
        ]
    return causes


def _client(client: Object, at: str) -> list[Cause]:
    url, service = client.get("url"), client.get("service")
    if bool(url) == bool(service):
        return [gotext.required(at, "exactly one of url or service is required")]
    if service:
        return _service(service, f"{at}.service")
    parts = urlsplit(str(url))
    if parts.scheme != "https":
        why = f"'https' is the only allowed URL scheme; desired format: https://host[/path] ({parts.scheme!r} found)"
        return [gotext.invalid(f"{at}.url", parts.scheme, why)]
    if not parts.hostname:
        return [
            gotext.invalid(f"{at}.url", url, "host must be specified; desired format: https://host[/path]")
        ]
    if parts.username or parts.query or parts.fragment:
        why = "user information, query parameters and fragments are not permitted in the URL"
        return [gotext.invalid(f"{at}.url", url, why)]
    return []


def rule_causes(rule: Object, at: str) -> list[Cause]:
    """operations, apiGroups, apiVersions, resources and scope; `*` stands alone where it stands."""
    causes: list[Cause] = []
    for key, words in (
        ("operations", "operations"),
        ("apiGroups", "API groups"),
        ("apiVersions", "API versions"),
    ):
        values: list[str] = rule.get(key) or []
        if not values:
            causes.append(gotext.required(f"{at}.{key}"))
        elif "*" in values and len(values) > 1:
            causes.append(
                gotext.invalid(f"{at}.{key}", values, f"if '*' is present, must not specify other {words}")
            )
        if key == "operations":
            causes += [
                gotext.unsupported(f"{at}.operations[{index}]", operation, _OPERATIONS)
                for index, operation in enumerate(values)
                if operation not in _OPERATIONS
            ]
        if key == "apiVersions":
            causes += [
                gotext.required(f"{at}.apiVersions[{index}]") for index, one in enumerate(values) if not one
            ]
    causes += _resource_causes(rule.get("resources") or [], f"{at}.resources")
    if rule["scope"] not in _SCOPES:
        causes.append(gotext.unsupported(f"{at}.scope", rule["scope"], _SCOPES))
    return causes


def _resource_causes(resources: list[str], at: str) -> list[Cause]:
    """A pattern that another one contains is a mistake."""
    if not resources:
        return [gotext.required(at)]
    causes: list[Cause] = []
    covered: set[str] = set()
    every, plain = set(), set()
    for index, pattern in enumerate(resources):
        if not pattern:
            causes.append(gotext.required(f"{at}[{index}]"))
        if pattern == "*/*":
            covered.add(pattern)
        resource, slash, subresource = pattern.partition("/")
        place = f"{at}[{index}]"
        if resource in every:
            causes.append(
                gotext.invalid(place, pattern, f"if '{resource}/*' is present, must not specify {pattern}")
            )
        if slash and subresource in plain:
            causes.append(
                gotext.invalid(place, pattern, f"if '*/{subresource}' is present, must not specify {pattern}")
            )
        if slash and subresource == "*":
            every.add(resource)
        if slash and resource == "*":
            plain.add(subresource)
    if len(resources) > 1 and covered:
        return [
            *causes,
            gotext.invalid(at, resources, "if '*/*' is present, must not specify other resources"),
        ]
    subresourceless = [pattern for pattern in resources if "/" not in pattern]
    if "*" in resources and len(subresourceless) > 1:
        why = "if '*' is present, must not specify other resources without subresources"
        causes.append(gotext.invalid(at, resources, why))
    return causes


VALIDATING = Strategy(generation=True, default=_default, check=_check)
MUTATING = Strategy(generation=True, default=_default_mutating, check=_check)
