"""
The demonstration: `afterword demo` runs the real service against the simulator and holds the outcome
against a script. `script` says what is to happen, `stage` starts and stops the parts, `show` draws.
"""
