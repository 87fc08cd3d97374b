"""The four kinds of PATCH as pure functions, and who owns which field.

`jsonpatch` (RFC 6902), `merge` (RFC 7386), `strategic` (Kubernetes' own for built-in kinds), `managed`
(server-side apply and the record of every other write) on `fields` (sets of field paths) and `typed`
(merging and comparing by schema).
"""
