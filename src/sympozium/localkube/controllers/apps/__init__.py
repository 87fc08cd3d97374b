"""The controllers of apps/v1: Deployment, ReplicaSet, StatefulSet, DaemonSet (and ReplicationController).

| module | concern |
|---|---|
| `pods` | what a pod of a workload is: active, ready, available; building one from a template |
| `ranking` | which pods of a ReplicaSet go first |
| `amounts` | integers or percentages, and what a rolling update may do with them |
| `hashes` | names from contents |
| `conditions` | lists of conditions, on values |
| `children` | who owns what: an index over a shared cache, adoption and release |
| `hands` | the writes that all of them do, told to the caches at once |
| `loop` | from changes in the caches to keys of one controller |
| `replicas`, `replicaset` | ReplicaSet and ReplicationController: decide, do |
| `revisions`, `sizes`, `progress`, `rollout`, `deployment` | Deployment |
| `history` | ControllerRevisions |
| `identity`, `claims`, `ordinals`, `statefulset` | StatefulSet |
| `nodes`, `daemons`, `daemonset` | DaemonSet |

The deciding parts are functions of (object, children, now) and give a plan; the controllers carry it out and ask
again until nothing is left to do. No bookkeeping of expectations: a cache takes in the answer of each own write
before the next decision is made, so a decision never lacks what was done by the one before. After a crash
the caches are listed anew before anything is decided.

https://kubernetes.io/docs/concepts/workloads/controllers/
"""
