"""
Afterword: a finished Recall.ai recording becomes a stored transcript.

The map, along the arrows (each folder imports from those before it; a test holds that):

    core/          what follows from what: events in, commands out. Pure
    recall/        what is known of Recall: signatures, events, endpoints, the client
    transcripts/   Recall's transcript JSON into files people use. Pure
    orchestrator/  one step: load, decide, commit; one command: lease, effect, outcome
    settings/      what the operator said: environment, .env, policy file
    adapters/      how it is kept: sql/, redis/, local files, object stores
    results/       what people read of a stored transcript
    announce/      who is told: outgoing webhooks, their payload, signature and schedule
    processes/     children, locks, supervision, heartbeats, death of a parent
    web/           the webhook route, health, and the worker that serves them
    api/           /v1: keys, routes, their types and the document made of them
    ops/           console, rq-dashboard, metrics
    cli/           one file per command or pair
    demo/          the show; simulator/, a local Recall, shares no code with the rest

    wiring.py      the one place that names concrete classes; errors.py, log.py, clock.py: for every folder

`workers/` (beside this package, above all of it) are RQ's entry points. One recording's way:

    web/group_commit        bytes, verified -> a row in the inbox, one commit -> 202
    orchestrator/inbox_consumer, transitions    row -> event -> load, decide, commit: state, history, outbox
    workers/dispatcher      what is due in the outbox -> its id into RQ -> workers/jobs.perform
    orchestrator/command_runner, effects/       command -> lease -> effect -> outcome -> event -> transitions
    effects/create_transcript, fetch_transcript, publish_transcript: the three of a recording without trouble

This module imports nothing.
"""
