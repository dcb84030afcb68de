"""Load the service as gunicorn would, in this process, and say what is wrong with it.

Ends with 0 if every model loads; else with 1, and the last line of standard error is the reason.
"""

import sys

from gunicorn.app.wsgiapp import WSGIApplication


def main() -> None:
    """Load `main:app` by conf/gunicorn.conf.py, and ask it whether it is ready."""
    # A wrong conf/gunicorn.conf.py counts too: it would end a running master at a reload.
    sys.argv = ["gunicorn", "--config", "conf/gunicorn.conf.py", "main:app"]
    try:
        answer = WSGIApplication().load().test_client().get("/readyz")
    except Exception as error:
        # The service's own errors say all there is to know; of others the traceback matters.
        if type(error).__module__ == "model_serving.errors":
            sys.exit(str(error))
        raise
    if answer.status_code != 200:
        sys.exit(answer.json["message"])


if __name__ == "__main__":
    main()
