"""
Turning an Answer into a response, or into a connection that ends without one.
"""

from __future__ import annotations

import socket
import struct

from flask import Response, request

from app.simulator.api.answers import Answer


def to_response(answer: Answer) -> Response:
    """The Flask response; for `cut` the peer sees a reset, whatever is returned here."""
    if answer.cut:
        cut_connection()
        return Response(status=500)
    response = Response(answer.body, status=answer.status, content_type=answer.content_type)
    for name, value in answer.headers:
        response.headers[name] = value
    return response


def cut_connection() -> None:
    """Close the peer's connection hard: nothing written after this arrives."""
    peer: socket.socket = request.environ["werkzeug.socket"]
    # Linger 0 makes the close a reset instead of an orderly end.
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    try:
        peer.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the peer was faster
