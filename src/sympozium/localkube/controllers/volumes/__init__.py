"""PersistentVolumeClaims and the directories behind them (docs/contracts.md "Volumes on one machine").

| module | concern |
|---|---|
| `match` | which volume a claim can have, on values |
| `directory` | the directories of provisioned volumes |
| `binder` | a claim: find or make its volume, bind, grow, let go |
| `reclaim` | a volume: its phase, and what becomes of it after its claim |

https://kubernetes.io/docs/concepts/storage/persistent-volumes/
"""
