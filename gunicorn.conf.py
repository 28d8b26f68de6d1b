"""
How the receiver is served: by `gunicorn 'app.web:create_app()'` in this folder, and by
`app.web.gunicorn_app`.

What keeps strangers cheap is in `app/web/bounded_worker.py`. Settings that are absent here keep
gunicorn's default.
"""

import gc
import os
import resource
import signal
from typing import Any

from app import log
from app.api.limits import ANSWERS_AT_ONCE
from app.processes import venv_lock
from app.processes.parent_death import die_with_parent
from app.web.gunicorn_app import address

if venv_lock.hold() is not None:
    raise SystemExit(75)

_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
bind = address()
backlog = 512

worker_class = "app.web.deferred_response.DeferredResponseWorker"
workers = 2
# A request whose head is complete holds a thread while its body comes, ten seconds at most. All of 64 stalled
# bodies may fall to one worker; 32 threads are then still left for honest ones. Idle threads are never made.
# Beside them those of /v1, which takes no more: its readers may be slow for as long as an answer may last.
threads = 96 + ANSWERS_AT_ONCE
# Below the descriptors a process may have (1024 on most Linux, 256 on macOS), with room for the rest.
_descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
worker_connections = 400 if _descriptors == resource.RLIM_INFINITY else max(128, min(400, _descriptors - 64))
preload_app = True  # 40 MB once instead of per worker, and a wrong configuration stops the start

timeout = 30  # seconds without a heartbeat from a worker's main loop
graceful_timeout = 25
keepalive = 5

limit_request_line = 8190
limit_request_fields = 64
limit_request_field_size = 8190  # a 10 kB header is 431

# Nobody is believed about who is calling or by which scheme: no answer depends on it, and a header named
# SCRIPT_NAME, passed on by a proxy on this machine, would be a 500.
forwarded_allow_ips = ""
forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}

http_parser = "python"  # what was tested; "auto" would take another one when it happens to be installed
control_socket_disable = True
worker_tmp_dir = (
    "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
)  # the heartbeat file must not wait for a disk
accesslog = None
errorlog = "-"
loglevel = "warning"


def pre_fork(server: Any, worker: Any) -> None:
    """What is there already is left alone by the collector, so that its pages stay shared."""
    gc.freeze()


def post_fork(server: Any, worker: Any) -> None:
    """A worker without its arbiter would hold the port. The application's heartbeat begins here."""
    for sig in _STOPS:
        signal.signal(sig, signal.SIG_DFL)
    # What came since the fork was put into the queue by the arbiter's handler, where a worker never reads.
    while not server.SIG_QUEUE.empty():
        if server.SIG_QUEUE.get_nowait() in _STOPS:
            raise SystemExit(0)
    die_with_parent(worker.ppid)
    begin = getattr(worker.app.wsgi(), "extensions", {}).get("afterword.in_worker")
    if begin is not None:
        begin()


def on_starting(server: Any) -> None:
    """gunicorn has put its own handlers on by now; its lines go through our pipeline as well."""
    log.configure("web")
