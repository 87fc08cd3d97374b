"""Services and what stands behind them.

| module | concern |
|---|---|
| `backends` | (Service, pods) -> endpoints with their ports, on values |
| `slices` | endpoints -> EndpointSlices, changing as few as possible |
| `subsets` | endpoints -> the old Endpoints object; Endpoints made by hand -> slices |
| `controller` | keeps EndpointSlices and Endpoints of Services with a selector |
| `mirror` | EndpointSlices for Endpoints that somebody else keeps |
| `apiservice` | the Service `default/kubernetes` |

https://kubernetes.io/docs/concepts/services-networking/service/
"""
