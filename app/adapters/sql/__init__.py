"""How it is kept in SQLite or PostgreSQL."""
