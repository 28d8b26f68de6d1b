"""Child processes: their locks, signals, streams, supervision, and the death of a parent."""
