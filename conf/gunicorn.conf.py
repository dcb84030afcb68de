"""gunicorn's settings: `gunicorn --config conf/gunicorn.conf.py`."""

import faulthandler
import gc
import os
import signal
import sys
import time
from pathlib import Path

from gunicorn.glogging import Logger
from prometheus_client.multiprocess import mark_process_dead

END_S = 2.0  # how long a worker that has ended may take to let go

root = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(root))


def forget_service():
    """Let the service be imported anew."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "model_serving"]:
        del sys.modules[name]


# SIGHUP runs this file again, in a master that may have imported an older version of the service.
forget_service()

from model_serving.address import bind_address  # noqa: E402
from model_serving.config import load_config  # noqa: E402
from model_serving.log import configure_logging  # noqa: E402
from model_serving.place import PLACE_VARIABLE  # noqa: E402
from model_serving.server.worker import ENDS  # noqa: E402
from model_serving.serving.supervision import Supervision  # noqa: E402

settings = load_config()


class ServiceLogger(Logger):
    """Sends gunicorn's messages into the service's log, where it logs the requests itself."""

    def setup(self, cfg):
        super().setup(cfg)
        configure_logging(settings, rotates=False)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


def on_starting(server):
    """Start the supervisor of the models, before there is anything else to fork."""
    has_replicas = settings.runtime == "processes"
    companion = "model_serving.job_worker" if has_replicas else ""
    server.supervision = Supervision("model_serving.catalogue", companion)
    server.app_is_named = server.app.app_uri != wsgi_app


def when_ready(server):
    """Let SIGHUP bring in the models first, and look after the supervisor."""
    replace_workers, manage_workers = server.handle_hup, server.manage_workers
    spawn_worker = server.spawn_worker

    def handle_hup():
        if server.supervision.has_new_version():
            replace_workers()
        else:
            server.supervision.reload()

    def manage():
        server.supervision.keep()
        if len(server.WORKERS) > server.num_workers:
            wait_until_all_serve(server)
        manage_workers()

    def spawn():
        # A signal to a worker that has no handler yet waits until it has.
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDS)
        try:
            return spawn_worker()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)

    server.handle_hup, server.manage_workers, server.spawn_worker = handle_hup, manage, spawn


def wait_until_all_serve(server):
    """Let the old workers of a reload serve until the new ones do, which still import the code."""
    deadline_s = time.monotonic() + settings.start_timeout_s
    while time.monotonic() < deadline_s:
        # What a worker writes there is said in post_worker_init.
        if all(os.fstat(worker.tmp.fileno()).st_size for worker in server.WORKERS.values()):
            return
        server.reap_workers()
        time.sleep(0.05)  # gunicorn's own loop waits for workers in the same way.


def on_reload(server):
    """Take the application of the new settings, unless the command line names one."""
    if not server.app_is_named:
        server.app.app_uri = server.cfg.wsgi_app


def pre_fork(server, worker):
    """Give each worker a place, for the file of its metrics."""
    gc.freeze()  # Looking for garbage would copy the memory that is shared with the master.
    taken = {other.place for other in server.WORKERS.values()}
    worker.place = next(place for place in range(len(taken) + 1) if place not in taken)


def post_fork(server, worker):
    """Give each worker the newest code, whatever the master imported for this file."""
    server.supervision.forget()
    os.environ[PLACE_VARIABLE] = f"http-{worker.place}"
    forget_service()


def post_worker_init(worker):
    """Begin to serve; spare the garbage collector what stays for the life of the worker."""
    gc.collect()
    gc.freeze()
    # Our own workers have done so; others that the command line may name have not.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDS)
    os.write(worker.tmp.fileno(), b"serves")  # The size of this file tells the master.


def worker_exit(server, worker):
    """Let no thread keep the process: a model that runs in it may hang."""
    faulthandler.dump_traceback_later(END_S, exit=True)


def child_exit(server, worker):
    """Take what a dead worker had in flight out of the metrics."""
    mark_process_dead(f"http-{worker.place}")


def on_exit(server):
    """End the models, which the workers need no more."""
    server.supervision.end()


chdir = str(root)
logger_class = ServiceLogger
bind = bind_address(settings)
workers = settings.workers
wsgi_app = {"asgi": "main:asgi", "gthread": "main:app"}[settings.http_worker]
worker_class = "model_serving.server.worker.HttpWorker"
asgi_loop = "uvloop"
# A client that leaves takes its request with it at once.
asgi_disconnect_grace_period = 0
worker_connections = settings.max_connections
threads = settings.threads
# A worker loads the models before its first sign of life.
timeout = round(settings.start_timeout_s)
graceful_timeout = round(settings.graceful_timeout_s)
keepalive = 75
backlog = 2048
limit_request_line = 8190
# The C parser accepts malformed request lines.
http_parser = "python"
control_socket_disable = True
# A proxy says https in one way; a caller's other ways would contradict it.
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}
# No header says what comes before the path.
forwarder_headers = ""
