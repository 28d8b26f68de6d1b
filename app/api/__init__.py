"""`/v1`: transcriptions for programs. Keys, routes, their types and the document that is made of those."""
