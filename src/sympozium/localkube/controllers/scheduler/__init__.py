"""The scheduler.

| module | concern |
|---|---|
| `resources` | what pods ask for, what a node has given away |
| `fit` | one node: taints, labels, ports, room |
| `neighbours` | pod affinity, anti-affinity and spreading over topologies |
| `claims` | the PersistentVolumeClaims of a pod |
| `choose` | all nodes: the best one, or the sentence that says why there is none |
| `preemption` | which pods of lower priority would have to go |
| `priority` | the queue's order |
| `controller` | binds, preempts, and says what it could not do |

https://kubernetes.io/docs/concepts/scheduling-eviction/kube-scheduler/ - preferences (soft affinity, spreading with
ScheduleAnyway) do not change what is possible, and are not weighed.
"""
