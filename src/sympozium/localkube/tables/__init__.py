"""Tables: what `kubectl get` prints, rendered by the server (meta/v1 Table).

| module | concern |
|---|---|
| `age` | durations as kubectl shows them |
| `jsonpath` | the paths of printer columns |
| `pods`, `builtin` | the cells of built-in kinds |
| `table` | columns, rows and the Table object |
"""
