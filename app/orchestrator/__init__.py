"""One step: load, decide, commit. One command: lease, effect, outcome."""
