"""How jobs reach workers: RQ over Redis or the embedded Valkey."""
