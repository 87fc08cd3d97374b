"""Validation rules of CRDs (`x-kubernetes-validations`): the CEL of `sympozium.cel` on schemas.

`declare` makes types of schemas, with the sizes that costs are estimated from; `check` is for CRDs and refuses
what costs too much; `rules` holds rules against objects, within a budget; `values` makes CEL values of JSON.
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules
"""
