"""Validation rules in CEL (`x-kubernetes-validations`), on Google's cel-cpp by way of `cel-expr-python`.

The library is loaded when the first rule is compiled. `environment` compiles and evaluates, `library` has
Kubernetes' functions, `ast` and `fields` check that a rule names fields that exist, `values` makes CEL
values of JSON, `check` is for CRDs, `rules` for objects. Cost limits are not computed.
"""
