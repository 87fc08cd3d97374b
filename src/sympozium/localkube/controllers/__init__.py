"""The controllers that a Kubernetes API is not one without, inside the process of localkube.

| module | concern |
|---|---|
| `api` | the client they are given (`Api`), typed calls on it |
| `informer`, `queue`, `controller` | watch into a cache, one key at a time, restart with back-off |
| `run` | the one entry: `run(api, ca_certificate=...)` |
| `garbage` | owner references: background, foreground, orphan |
| `namespaces` | contents of a namespace that is being deleted |
| `serviceaccounts` | `default` ServiceAccount and `kube-root-ca.crt` in each namespace |
| `job` | Jobs: decisions on values in `job.decide`, their execution in `job.controller` |
| `scheduler` | binds pods to ready nodes |
| `podcleanup` | pods whose node is gone |
| `crds` | the instances of a CRD that is being deleted |
| `events` | events live an hour |

All of them are level-triggered: they look at what is, and may be killed between any two
requests.
"""
