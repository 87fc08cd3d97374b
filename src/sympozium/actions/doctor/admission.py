"""The webhook: is it asked, does it answer, is everything refused while it is away, and until when it is trusted."""

import base64
import binascii
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from sympozium.actions.doctor.finding import Finding
from sympozium.api.base import Object
from sympozium.api.meta import API_VERSION, SYSTEM_NAMESPACE
from sympozium.kube import Client, ForbiddenError, KubeError
from sympozium.kube.resources import MUTATING_WEBHOOKS, SECRETS, VALIDATING_WEBHOOKS
from sympozium.resources import POLICIES

_TLS: Final = "sympozium-webhook-tls"
_SOON: Final = timedelta(days=14)
_AGAIN: Final = "install it again (on one machine: sympozium down, sympozium up)"
_RENEW: Final = "see the log of the webhook, which renews it; where cert-manager does, see its Certificate"


async def webhook(client: Client, namespace: str) -> Finding:
    now, ends = datetime.now(UTC), []
    for resource in (MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS):
        found = await client.find(resource, "sympozium")
        if found is None:
            words = f"{resource.kind} sympozium is not there: what people write is admitted by nobody"
            return Finding(False, words, _AGAIN)
        title = f"{resource.kind} sympozium"
        if open_ones := [w["name"] for w in found["webhooks"] if w.get("failurePolicy", "Fail") != "Fail"]:
            words = f"{title} fails open ({', '.join(open_ones)}): while the webhook is away, all is admitted"
            return Finding(False, words, f"set its failurePolicy to Fail, or {_AGAIN}")
        for entry in found["webhooks"]:
            authorities = _authorities(entry)
            if not authorities:
                words = f"{title} has no caBundle that can be read: the API server cannot trust the webhook"
                return Finding(False, words, "see the log of the webhook, which writes it")
            ends.append(max(authority.not_valid_after_utc for authority in authorities))
            if ends[-1] <= now:
                return Finding(False, f"the CA in {title} ended at {ends[-1]:%Y-%m-%d}", _RENEW)
            if bad := await _served(client, authorities, now):
                return bad
    if bad := await _tried(client, namespace):
        return bad
    if min(ends) < now + _SOON:
        return Finding(None, f"the CA that the API server trusts ends at {min(ends):%Y-%m-%d}", _RENEW)
    words = f"fails closed, trusted until {min(ends):%Y-%m-%d}, and a dry run was admitted"
    return Finding(True, words)


def _authorities(entry: Object) -> list[x509.Certificate]:
    """The CAs of one webhook; none where it has none, or what is there is no certificate."""
    try:
        return x509.load_pem_x509_certificates(base64.b64decode(entry["clientConfig"].get("caBundle") or ""))
    except (ValueError, binascii.Error):
        return []


async def _served(client: Client, authorities: list[x509.Certificate], now: datetime) -> Finding | None:
    """What is wrong with the certificate in the Secret of the webhook; None too where there is none that may be read."""
    try:
        found = await client.find(SECRETS, _TLS, SYSTEM_NAMESPACE)
    except ForbiddenError:
        return None
    if found is None:
        return None
    try:
        leaf = x509.load_pem_x509_certificate(base64.b64decode(found["data"]["tls.crt"]))
    except (KeyError, ValueError):
        return Finding(
            False,
            f"Secret {_TLS} has no certificate that can be read",
            "delete it: the webhook makes it anew",
        )
    end = leaf.not_valid_after_utc
    if not leaf.not_valid_before_utc <= now < end:
        words = f"the certificate of the webhook is good from {leaf.not_valid_before_utc:%Y-%m-%d} to {end:%Y-%m-%d}"
        return Finding(False, words, _RENEW)
    if not any(_issued(leaf, authority) for authority in authorities):
        words = "the certificate of the webhook is of a CA that its configurations do not have"
        return Finding(
            False, words, f"kubectl -n {SYSTEM_NAMESPACE} rollout restart deployment sympozium-webhook"
        )
    return None


def _issued(leaf: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        leaf.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


async def _tried(client: Client, namespace: str) -> Finding | None:
    """What became of a policy that is asked about and not kept; None when it was admitted. Raises KubeError."""
    body = {
        "apiVersion": API_VERSION, "kind": "SympoziumPolicy", "spec": {},
        "metadata": {"generateName": "doctor-", "namespace": namespace},
    }  # fmt: skip
    try:
        await client.request("POST", POLICIES.path(namespace), body=body, query={"dryRun": "All"})
    except KubeError as error:
        if "failed calling webhook" not in str(error):
            raise
        return Finding(
            False, str(error), "is the webhook running? Nothing of ours can be written until it is"
        )
    return None
