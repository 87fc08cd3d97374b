"""Dynamic admission: Mutating- and ValidatingWebhookConfiguration.

| module | concern |
|---|---|
| `hook` | one webhook, parsed |
| `matching` | does it want to hear of this request |
| `conditions` | matchConditions in CEL |
| `review` | AdmissionReview out and in, on values |
| `transport` | HTTPS to the webhook |
| `dispatch` | the order, failure policies, patches, re-invocation |

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
"""
