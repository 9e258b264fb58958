"""Requests to a model that MLflow serves, and a photo and a trimap for them."""

import base64
import io
import json
import urllib.error
import urllib.request
import zlib

import numpy as np
from PIL import Image

IMAGE = np.random.default_rng(0).integers(0, 255, (50, 70, 3), np.uint8)
TRIMAP = np.repeat(np.uint8([0, 128, 128, 128, 255]), 10)[:, None].repeat(70, 1)


def png_text(values: np.ndarray, file_format: str = "PNG") -> str:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, file_format)
    return base64.b64encode(stream.getvalue()).decode()


def read_png_text(text: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


def huge_header() -> str:
    """The image's bytes with a header that promises 9000 x 9000 pixels."""
    png = bytearray(base64.b64decode(png_text(IMAGE)))
    png[16:24] = (9000).to_bytes(4, "big") * 2
    png[29:33] = zlib.crc32(bytes(png[12:29])).to_bytes(4, "big")
    return base64.b64encode(bytes(png)).decode()


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
