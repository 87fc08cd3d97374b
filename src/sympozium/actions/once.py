"""One request that is sent several times: by its key it is done once.

A run that a request makes has a name that derives from who sends it, from what it is about and from its key, and an
annotation with the digest of all that was asked. Sent again it meets that run, whoever was killed in between; another request
of the same key is refused. It holds while that run is there.
"""

import hashlib
import json
from dataclasses import dataclass

from sympozium.actions.errors import StaleError
from sympozium.api.meta import ANNOTATION_REQUEST
from sympozium.kube import AlreadyExistsError, Client
from sympozium.kube.resources import Object
from sympozium.names import derive, digest
from sympozium.resources import RUNS


@dataclass(frozen=True, slots=True)
class Once:
    """`owner` is who sends the request: a key of somebody else is another."""

    owner: str
    key: str

    def token(self, *about: str) -> str:
        """Stands for this request, which is about these."""
        return digest(self.owner, self.key, *about, length=16)

    def name(self, prefix: str, *about: str) -> str:
        """Of the run that this request makes."""
        return derive(prefix, self.token(*about), limit=57)


async def find(client: Client, namespace: str, name: str, asked: Object) -> Object | None:
    """The run of that name that this request made before. Raises StaleError when another one has made it."""
    found = await client.find(RUNS, name, namespace)
    if found is not None and (found["metadata"].get("annotations") or {}).get(ANNOTATION_REQUEST) != _digest(
        asked
    ):
        raise StaleError(
            f"agentrun {name} was made by another request: take a new Idempotency-Key for each request"
        )
    return found


async def create(client: Client, manifest: Object, asked: Object) -> Object:
    """The run of the manifest, made by this request now or before. Raises StaleError, and what admission refuses."""
    meta = manifest["metadata"]
    meta = {**meta, "annotations": {**(meta.get("annotations") or {}), ANNOTATION_REQUEST: _digest(asked)}}
    try:
        return await client.create(RUNS, {**manifest, "metadata": meta}, meta["namespace"])
    except AlreadyExistsError:
        found = await find(client, meta["namespace"], meta["name"], asked)
        if found is None:
            raise
        return found


def _digest(asked: Object) -> str:
    return "sha256:" + hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
