"""
The processes behind the web: RQ workers, the dispatcher, and what `up` runs. README.md here is the runbook.

`app` never imports this package; it names the functions of `workers.jobs` as strings.
"""
