"""A web service that serves Python models over HTTP.

The rooms, from the top floor down; each imports only from those below it::

    catalogue.py and declarations.py, nginx.py, status.py    programs beside the HTTP workers
    job_worker.py; score/    the worker of jobs; bin/score
    server/      gunicorn's workers: the connections of clients, and the direct lane at the socket
    app.py       puts the parts together: create_app; node.py is a tree without HTTP
    served.py    what is served: the models and their runtime, without a web app
    resources/   one Resource per model, and the explicit list of them   (yours)
    web/         everything that knows Flask
    models/      one model per file                                      (yours)
    jobs/        the record of jobs: what outlasts a request
    serving/     the core: runs the models in replicas, knows nothing of the web
    files/       result files, in a folder or a bucket
    config.py  model_conf.py  log.py  metrics.py  figures.py  address.py  conversion.py
    json_text.py  errors.py  headers.py  caller.py  proxies.py  memory.py  place.py    leaves
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
