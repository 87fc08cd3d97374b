"""The garbage collector: owner references, and the finalizers `orphan` and `foregroundDeletion`.

| module | concern |
|---|---|
| `graph` | who owns whom, from the watches of all kinds; pure |
| `monitors` | one watch for each kind that there is |
| `collector` | what to do with an object whose owners changed |

https://kubernetes.io/docs/concepts/architecture/garbage-collection/
"""
