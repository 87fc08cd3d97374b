"""The life of an AgentRun.

queue      which runs may have a pod now                        pure
plan       the manifests of a run                               pure, golden-tested
diagnose   what a Job and a pod say about it                    pure
fold       what its events say about it                         pure
compose    its status, from all of that                         pure
identity   credentials of the bus, tokens of skills
events     the consumer of the bus
controller reads, decides, writes; one run at a time
ending     what is taken away when it has ended or is deleted
"""
