"""Finds the model servers of a node, from a pod on it: `sympozium serve node-probe` (docs/models.md).

It has no rights at the Kubernetes API and is given no token: who wants to know what it found asks it
(`sympozium.actions.nodemodels`).
"""
