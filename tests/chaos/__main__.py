"""`python -m tests.chaos`. Everything it needs is imported where Ctrl-C is already expected."""

import sys

if __name__ == "__main__":
    try:
        import click

        from tests.chaos.command import main

        try:
            sys.exit(main.main(prog_name="afterword chaos", standalone_mode=False))
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except click.Abort:  # Ctrl-C while click reads the options
            sys.exit(130)
    except KeyboardInterrupt:
        sys.exit(130)
