"""
The processes behind the web: RQ workers, the dispatcher, and the supervisor that `up` runs.

    supervisor ── valkey (unless REDIS_URL) ── web ── worker-1 … worker-N ── inbox ── dispatcher
    worker-N   ── one horse per job ── jobs.perform(id) ── the service

`app` never imports this package; it names the functions of `workers.jobs` as strings.
README.md here is the runbook.
"""
