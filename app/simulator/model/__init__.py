"""The state of the simulated Recall: recordings, bill, clock, faults, webhooks."""
