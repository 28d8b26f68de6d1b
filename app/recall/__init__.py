"""
What we know about Recall.ai, and nothing about ourselves.

`webhook`  is this POST from Recall? Pure functions of headers, bytes and time.
`endpoints`     Recall's JSON and ours of it: requests out, outcomes in. Pure.
`client`   moves those bytes over HTTP, within Recall's limits and with patience. The only one that does I/O.

Nothing here knows a table, a queue or a policy. `Any` and raw dicts are born in `endpoints` and die there.
"""
