"""gunicorn's workers: how connections become requests, and which of them are refused.

::

    gunicorn's master   worker
    asgi lane           asgi_worker → protocol → patience → connection
    Flask alone         thread_worker

Nothing here imports the application: gunicorn loads it into the worker.
"""
