"""Requests to a model that MLflow serves."""

import json
import urllib.error
import urllib.request


def ask(address: str, body: bytes, timeout: float) -> tuple[int, dict]:
    """The status and the JSON that the model at `address` answers with, within so many seconds."""
    request = urllib.request.Request(f"{address}/invocations", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def records(**columns: str) -> bytes:
    """A request of one row."""
    return json.dumps({"dataframe_records": [columns]}).encode()
