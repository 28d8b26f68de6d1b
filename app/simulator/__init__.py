"""
A strict, stateful Recall.ai on this machine: shipped for developing offline, and what the tests run against.

Recall's published behaviour, and nothing about Afterword: it imports no code of the product, so that one
misreading of the documents cannot sit on both sides.

server      Simulator: two web servers and what is behind them     __main__   its command line
gate        firewall, key, rates, Idempotency-Key, in order        answers    Recall's ways of saying no
recall_api  the routes of /api/v1     creates, listing, validation, shapes    what they do and say
state       recordings, transcripts   lifecycle  how they end      meetings   what was said
webhooks    signed deliveries on Svix's schedule                   downloads  the other port
faults      the script a recording may carry     lies, lying what is said that is not so    bodies  odd files
side_door   /_sim     settings, bill, clock, ids
"""
