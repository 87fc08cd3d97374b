"""The egress component: an HTTP proxy through which runs with a closed network reach names.

NetworkPolicies know addresses, not names. Where SympoziumConfig names this component, the NetworkPolicy of a run opens
it and the bus alone, and the component judges each connection by the run's policy as it is then.

    authority   which run is it, and what may it reach: copies of runs, instances, policies
    proxy       CONNECT and absolute-form requests; carries, and cuts what is no longer allowed
    main        the process
"""
