"""Does anything enforce NetworkPolicies here?

The API takes a NetworkPolicy whether or not the cluster's network knows what it is. `sympozium.actions.networkprobe` finds out by
trying, with two short-lived pods; `keeper` remembers the answer, asks again when it is old, and judges runs by it.
"""
