"""Pod Security Standards, by labels of the namespace: `levels` reads those, `baseline` and `restricted` are the
checks, `containers` what they share, `plugin` refuses and warns.

https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""
