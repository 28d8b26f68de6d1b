"""What commands that only read need: a database that is there."""

from __future__ import annotations

from app import wiring
from app.adapters.sql.store import SqlStore
from app.cli.preflight import with_database_file
from app.errors import Away, ConfigError
from app.processes import home_lock
from app.settings.environment import Settings


def why_gone(settings: Settings) -> str | None:
    """Where the database has no tables: that it was taken away from a service that runs, else None."""
    if settings.database_file is None or not home_lock.is_held(settings.home):
        return None
    return (
        f"the database file {settings.database_file} is gone or empty while the service runs: webhooks "
        "get 503 and come again; stop the service, put the file back, start it"
    )


def read_store(settings: Settings) -> SqlStore:
    """
    The store, which is as this program expects it; nothing is made. Raises `Away` without a database or with
    an earlier version's, `ConfigError` with a newer one's, `StoreUnavailable` where it cannot be reached.
    """
    from app.adapters.sql import migrations

    revision = migrations.current_revision(settings.database_url)
    if revision is None:
        none_yet = "there is no database yet; `./afterword up` or `./afterword migrate` makes it"
        raise Away(why_gone(settings) or with_database_file(none_yet, settings))
    if migrations.is_newer_than_program(settings.database_url):
        raise ConfigError(["the database is newer than this program: update the program"])
    if revision != migrations.newest_revision():
        raise Away("the database is of an earlier version; `./afterword migrate` brings it to this one")
    return wiring.open_store(settings)
