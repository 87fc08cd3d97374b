"""ResourceQuota: `usage` is what an object counts for, `plugin` refuses what would be too much and charges the
rest to the quota's status, `recount` counts anew what is there.

https://kubernetes.io/docs/concepts/policy/resource-quotas/
"""
