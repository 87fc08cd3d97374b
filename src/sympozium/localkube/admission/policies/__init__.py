"""ValidatingAdmissionPolicy and MutatingAdmissionPolicy with their bindings.

| module | concern |
|---|---|
| `policy` | a stored policy and its bindings, compiled once |
| `catalog` | all of them, kept until one changes |
| `params` | the objects that a binding's paramRef names |
| `expressions` | what expressions see, match conditions, budgets, the move to a thread |
| `validating`, `mutating` | the two plugins |

https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
"""
