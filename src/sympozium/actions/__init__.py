"""What a person can do to an installation with a Kubernetes client of their own: what CLI and server share.

Functions over `kube.Client`: they return values, print nothing, and raise `ActionError` (`errors`), `kube.KubeError` or
`bus.BusError`, each with words for a person. Whether one may is asked of nobody here: the client acts as the person,
and Kubernetes decides.
"""
