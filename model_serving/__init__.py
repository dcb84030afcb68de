"""A web service that serves Python models over HTTP.

The rooms, from the top floor down; each imports only from those below it::

    app.py       puts the parts together: create_app
    resources/   one Resource per model, and the explicit list of them   (yours)
    web/         everything that knows Flask
    models/      one model per file                                      (yours)
    serving/     the core: runs the models, knows nothing of the web
    config.py  errors.py  log.py  address.py    leaves
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
