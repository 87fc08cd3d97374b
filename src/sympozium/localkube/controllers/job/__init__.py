"""The Job controller.

| module | concern |
|---|---|
| `pods` | what a pod of a Job is: finished, failed, active, of which index; building one |
| `indexes` | `completedIndexes` as text (`0,2-4`) |
| `failurepolicy` | podFailurePolicy rules |
| `perindex` | limits for each index, successPolicy |
| `account` | terminal pods into counters, exactly once |
| `decide` | (job, pods, now) -> what to do |
| `controller` | does it |

https://kubernetes.io/docs/concepts/workloads/controllers/job/
"""
