"""
Afterword: a finished Recall.ai recording becomes a stored transcript.

The map, in reading order:

    core/            what happened, what to do, what follows: pure, no I/O
    service.py       the shell around it: receive, advance, perform (with task.py, perform_*.py)
    recall/          what is known of Recall: webhooks, the wire, the client
    transcripts/     Recall's transcript JSON into files people use: pure
    adapters/        the database, the queue, the files
    web.py           the webhook route; inbox.py stores what it verified
    wiring.py        the one place that names concrete classes
    cli/  ops/       the command line; dashboard and metrics
    simulator/       a local Recall, sharing no code with the rest

`workers/` (beside this package) runs it all. This module imports nothing.
"""
