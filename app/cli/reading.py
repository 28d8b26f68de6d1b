"""What commands that only read need: a database that is there."""

from __future__ import annotations

from app import wiring
from app.adapters.sql_store import SqlStore
from app.cli.places import with_database_file
from app.config import Settings
from app.errors import Away, ConfigError


def read_store(settings: Settings) -> SqlStore:
    """
    The store, which is as this program expects it. Nothing is made.

    Raises:
        Away: There is no database yet, or it is of an earlier version.
        ConfigError: It is newer than the program.
        StoreUnavailable: It cannot be reached.
    """
    from app.adapters import migrations

    revision = migrations.current_revision(settings.database_url)
    if revision is None:
        about = "there is no database yet; `./afterword up` or `./afterword migrate` makes it"
        raise Away(with_database_file(about, settings))
    if migrations.is_newer_than_program(settings.database_url):
        raise ConfigError(["the database is newer than this program: update the program"])
    if revision != migrations.newest_revision():
        raise Away("the database is of an earlier version; `./afterword migrate` brings it to this one")
    return wiring.open_store(settings)
