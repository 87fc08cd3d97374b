"""The admission chain: what a write must pass after it is authorized and before it is stored.

| module | concern |
|---|---|
| `chain` | the order, and `AdmissionChain` (types.Admission) |
| `namespaces` | NamespaceLifecycle |
| `serviceaccounts` | a pod's account and its token volume |
| `pods` | DefaultTolerationSeconds, Priority |
| `jobs` | what this server could not follow is refused |
| `escalation` | RBAC: nobody grants what they do not hold |
| `limitranges`, `quota` | LimitRange and ResourceQuota |
| `podsecurity` | Pod Security Standards by namespace labels |
| `noderestriction` | a node writes itself and its own pods |
| `policies` | Validating- and MutatingAdmissionPolicy |
| `webhooks` | Mutating- and ValidatingWebhookConfiguration over HTTPS |
"""
