"""CronJobs: `decide` says what is due, `controller` does it.

https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/
"""
