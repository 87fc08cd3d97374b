"""Routes, one module for each group. Each has a `router`; `app.ROUTERS` lists them."""
