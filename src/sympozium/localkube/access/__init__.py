"""Who may ask what: certificates, credentials, RBAC and the review APIs.

| module | concern |
|---|---|
| `pki` | the CA of one data directory and every certificate and key below it |
| `objects` | how access and admission read the committed state |
| `tokens` | ServiceAccount JWTs: issue, verify, is what they are bound to still alive |
| `tokenfile` | kube-apiserver's static token file |
| `authentication` | credentials -> `UserInfo` (types.Authenticator), impersonation |
| `rules` | RBAC rules on values: match, cover, expand |
| `rbac` | the index of roles and bindings (types.Authorizer) |
| `noderole` | what one node may see |
| `bootstrap` | the roles and bindings that every client expects |
| `reviews` | TokenReview, SubjectAccessReview and their kin, TokenRequest |
| `access` | composition: `Access` |

Decisions are synchronous and read an index that the store's commit hook keeps fresh, so that a role
that was answered with 201 holds for the very next request.
"""
