"""Consent to what may be charged for: a person at a terminal is asked; taking up many is always asked."""

from __future__ import annotations

import sys

import click


def is_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


def is_agreed(*, yes: bool, is_named: bool = True) -> bool:
    """
    Whether to go on with what may be charged for; its cost has been told. `is_named`: it is about one
    recording that was named, or what the service does by itself anyway, which needs no answer of a script.
    For anything else an answer is read, wherever it comes from. Raises `click.UsageError` when none comes.
    """
    is_person = is_terminal()
    if yes or (is_named and not is_person):
        return True
    try:
        is_yes = click.confirm("Go on?")
        if not is_yes:
            click.echo("Nothing was done.")
        return is_yes
    except click.Abort:
        if is_person:
            raise
        raise click.UsageError(
            "this may be charged for, and no answer came: say --yes. Nothing was done.",
            ctx=click.get_current_context(silent=True),
        ) from None
