"""One module a concern: what each verb and subresource does, between routing and the store.

| module | concern |
|---|---|
| `backend` | what every handler is given |
| `options` | query parameters of reads and writes |
| `render` | an object or list in the form that was negotiated |
| `read`, `listing`, `watching` | get, list, watch |
| `pipeline` | decode -> strict -> prune -> default -> admit -> validate -> store |
| `create`, `update`, `patching` | POST, PUT, PATCH |
| `deletion` | DELETE of one and of many: preconditions, grace, finalizers, propagation |
| `scale`, `binding`, `eviction`, `finalize`, `logs`, `reviews` | subresources and virtual resources |
| `discovery`, `health`, `openapi` | non-resource paths |
| `dispatch` | which of them a request goes to |
"""
