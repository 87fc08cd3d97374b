"""What kinds look like: schemas of built-in kinds and of custom resources, and everything done by them.

One shape, `node.Node`, stands for both; pruning, defaulting, validation, strategic merge, server-side
apply and OpenAPI walk it. `builtin` makes nodes out of packaged data, `structural` out of a CRD.
"""
