"""PodDisruptionBudgets: how many of their pods may be disturbed now.

https://kubernetes.io/docs/concepts/workloads/pods/disruptions/
"""
