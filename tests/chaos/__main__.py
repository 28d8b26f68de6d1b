"""`python -m tests.chaos`. Everything it needs is imported where Ctrl-C is already expected."""

import sys

if __name__ == "__main__":
    try:
        from tests.chaos.command import main

        main(prog_name="afterword chaos")
    except KeyboardInterrupt:
        sys.exit(130)
