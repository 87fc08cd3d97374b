"""The scheduler: `fit` says on values which node a pod can be on, `controller` binds it."""
