"""Implementations of the ports: storage of results, the database, the queue. Only `wiring` names them."""
