"""
What is known of Recall.ai, and nothing about this program: no table, queue or policy.

    types            the records: a transcript, a recording, what came of a create
    limits           regions, rates, events, sub codes, statuses and their remedies; `providers`
    signatures       is this POST from Recall?
    webhook_events   a webhook's body into an event; `examples`, the portal's own
    endpoints        the requests; `create_response` and `resources` read the answers
    translation      one intent in each provider's options, by a table
    json_fields      tolerant readers of JSON; `url_checks`, which hosts may be spoken to
    client           the bytes over HTTP; with `http_exchange` and `download` the only ones that do I/O

Raw JSON comes in and typed values go out: `Any` does not leave this folder.
"""
