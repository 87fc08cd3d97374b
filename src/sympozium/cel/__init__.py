"""CEL as kube-apiserver evaluates it: parsed, type-checked, costed and run here.

Why it is not a library: the ones for Python have neither cost accounting nor a way to stop an evaluation,
know no opaque types (quantities, IP addresses, the authorizer) and no `Object{...}`, and describe errors in
other words. One rule such as `self.all(a, self.all(b, self.all(c, ...)))` would stop the API server. Here each
step is counted as in Kubernetes, so that the same limits end the same expressions with the same texts.
What can be had from a library is: regular expressions are RE2's, in linear time, as in Go.

| module | concern |
|---|---|
| `types` | types, how they are written, which fits which |
| `values` | values that JSON does not have; equality, order, sizes |
| `lexer`, `parser`, `macros` | text -> `ast`, with the positions that messages show |
| `declarations`, `library` | the functions: signatures, implementations, costs |
| `checker` | a type for each node, or messages |
| `literals` | constants that can be seen to be wrong |
| `estimate` | the most that an expression can cost, from the sizes that types allow |
| `program`, `loops`, `access`, `activation`, `costs` | evaluation, which counts as it goes |
| `environment` | all of it: `Environment.compile`, `Program.evaluate` |

Semantics: https://github.com/google/cel-spec/blob/master/doc/langdef.md; functions:
https://kubernetes.io/docs/reference/using-api/cel/. `tests/unit/cel` holds both to a table of
expressions, results and costs that a kube-apiserver 1.36 gave.
"""
