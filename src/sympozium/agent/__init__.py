"""The model loop: ask the model, let `tools` make its calls, give it the results, until it answers.

`python -m sympozium.agent` is the entry point of the pod's one main container. It has the model
key and nothing else: no Kubernetes token, no workspace, no policy. What a model may do is decided
in `tools`, on the other side of a unix socket. Which endpoint it talks to, it does not know.
"""
