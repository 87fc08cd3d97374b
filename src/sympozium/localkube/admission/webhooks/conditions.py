"""matchConditions of webhooks, compiled once.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-matchconditions
"""

from functools import lru_cache

from sympozium.cel import requests
from sympozium.cel.environment import Program


@lru_cache(maxsize=512)
def condition(expression: str) -> Program:
    """Raises CompileError; a stored configuration has none that does."""
    return requests.compile_as(requests.environment(params=False, authorizer=True), expression.strip())
