"""PostgreSQL, as the contract tests have it."""

from tests.contract.conftest import postgresql_server

__all__ = ["postgresql_server"]
