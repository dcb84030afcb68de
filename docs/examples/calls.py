"""The service called by Python: JSON, a file as base64 in JSON, and files in a multipart form.

calls.py [URL]; the URL is http://127.0.0.1:9999 where you name no other. It needs
`pip install requests`.
"""

import base64
import sys
from pathlib import Path
from urllib.parse import urljoin

import requests

SERVICE = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:9999"
HERE = Path(__file__).parent


def call(model, **request):
    """Return the answer; an error's message is an exception."""
    response = requests.post(f"{SERVICE}/v1/{model}", timeout=30, **request)
    if not response.ok:
        raise RuntimeError(response.json()["message"])
    return response.json()


# JSON
print(call("XXXModel", json={"name": "Leo"})["result"])

# base64
picture = base64.b64encode((HERE / "seven.png").read_bytes()).decode()
print(call("DigitsModel", json={"picture": picture})["label"])

# multipart
pictures = [("the_file", (HERE / name).read_bytes()) for name in ("hills.jpg", "seven.png")]
for result in call("CompressModel", files=pictures, data={"max_width": 360})["result"]:
    print(result["size_before"], "->", result["size_after"], urljoin(SERVICE, result["file"]))
