"""Load the service as gunicorn would, in this process, and say what is wrong with it.

Ends with 0 if every model loads; else with 1, and the last line of standard error is the reason.
"""

import sys
from pathlib import Path

from gunicorn.app.wsgiapp import WSGIApplication

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from model_serving.errors import ConfigError, DeclarationError


def main() -> None:
    """Load `main:app` by conf/gunicorn.conf.py, and ask it whether it is ready."""
    # A wrong conf/gunicorn.conf.py counts too: it would end a running master at a reload.
    sys.argv = ["gunicorn", "--config", "conf/gunicorn.conf.py", "main:app"]
    try:
        answer = WSGIApplication().load().test_client().get("/readyz")
    except Exception as error:
        # The configuration forgets the modules it has imported, so the classes have other twins.
        if type(error).__name__ in (ConfigError.__name__, DeclarationError.__name__):
            sys.exit(str(error))
        raise
    if answer.status_code != 200:
        sys.exit(answer.json["message"])


if __name__ == "__main__":
    main()
