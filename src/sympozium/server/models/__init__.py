"""The JSON of the REST API. `web/openapi.json` and the dashboard's types are generated from it."""
