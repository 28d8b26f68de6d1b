"""What people on call look at: the guard before it, rq-dashboard at `/ops/rq/`, the text of `/metrics`."""

USER = "ops"  # of the console, HTTP basic
