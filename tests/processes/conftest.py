"""The home of the commands, and programs in real processes."""

from tests.cli.conftest import home
from tests.workers.conftest import program

__all__ = ["home", "program"]
