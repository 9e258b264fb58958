"""The registered model: base64 PNG of an image and of a trimap in, base64 PNG of the alpha out.

MLflow stores this file with the model and runs it where `erkd` is not installed, so it imports nothing of it.
"""

import base64
import hashlib
import io
import logging
import os
import threading
import warnings
from typing import NoReturn

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # it is read as onnxruntime is imported

import numpy as np
import onnxruntime
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, INVALID_PARAMETER_VALUE
from numpy.typing import NDArray
from PIL import Image

with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # MLflow warns of type hints of its own
    import mlflow.pyfunc

Array = NDArray[np.float32]
MULTIPLE = 32  # height and width that the network takes
MAX_PIXELS = 12_500_000  # 4032 x 3024 of a telephone; each million takes about 0.4 GiB


class MattingModel(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined]
    """A student in ONNX. Bad input raises MlflowException(INVALID_PARAMETER_VALUE), a server's 400."""

    def load_context(self, context: mlflow.pyfunc.PythonModelContext) -> None:  # type: ignore[name-defined]
        """Open the network that lies beside the model, if it is the one that was registered."""
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # it warns of the input that has a default
        path = context.artifacts["onnx"]
        with open(path, "rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        expected = (context.model_config or {}).get("onnx_sha256", found)  # older models name none
        if found != expected:
            raise MlflowException(
                f"{path}: truncated or changed since it was registered (SHA-256 {found[:12]}, not "
                f"{expected[:12]}); register it anew: `dvc repro register`"
            )
        options.enable_mem_pattern = False  # patterns, one for each size, would add up
        options.enable_cpu_mem_arena = False  # memory goes back when a request is answered
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.turn = threading.Lock()  # one large image in memory at a time

    def predict(self, context: object, model_input: pd.DataFrame, params: object = None) -> pd.DataFrame:
        """One alpha for each row of `model_input`, whose columns are `image` and `trimap`."""
        rows = zip(model_input["image"], model_input["trimap"], strict=True)
        try:
            return pd.DataFrame({"alpha": [self._answer(image, trimap) for image, trimap in rows]})
        except MlflowException:
            raise
        except Exception:  # a server would put its stack trace into the answer
            logging.getLogger(__name__).exception("no alpha")
            raise MlflowException("the model failed; the server's log says why", INTERNAL_ERROR) from None

    def _answer(self, image_text: str, trimap_text: str) -> str:
        image = np.asarray(decode(image_text, "image").convert("RGB"), np.float32) / np.float32(255)
        trimap = trimap_values(decode(trimap_text, "trimap"))
        if image.shape[:2] != trimap.shape:
            refuse(f"image and trimap must have one size; found {_size(image)} and {_size(trimap)}")
        with self.turn:
            alpha = matte(self.session, image, trimap)
        stream = io.BytesIO()
        Image.fromarray(np.rint(alpha * 255).astype(np.uint8)).save(stream, "PNG")
        return base64.b64encode(stream.getvalue()).decode()


def matte(session: onnxruntime.InferenceSession, image: Array, trimap: Array) -> Array:
    """Alpha H x W in [0, 1] of `image` H x W x 3 and `trimap` H x W; borders are repeated to a fit size."""
    height, width = trimap.shape
    padding = ((0, -height % MULTIPLE), (0, -width % MULTIPLE))
    inputs = {
        "image": np.pad(image, (*padding, (0, 0)), "symmetric").transpose(2, 0, 1)[None],
        "trimap": np.pad(trimap, padding, "symmetric")[None, None],
    }
    (alpha,) = session.run(["alpha"], inputs)
    return np.clip(alpha[0, 0, :height, :width], 0, 1)


def decode(text: str, name: str) -> Image.Image:
    """The image that base64 text holds; its size is checked before its pixels are read."""
    try:
        content = base64.b64decode(text, validate=True)
    except (TypeError, ValueError):
        refuse(f"{name}: not base64 text")
    try:
        image = Image.open(io.BytesIO(content), formats=["PNG"])
        if image.width * image.height > MAX_PIXELS:
            refuse(f"{name}: {image.width} x {image.height} pixels; at most {MAX_PIXELS:,} are taken")
        image.load()
    except MlflowException:
        raise
    except Exception:  # decoders of broken files raise many kinds
        refuse(f"{name}: not a readable PNG image")
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip
        return Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    return image


def trimap_values(image: Image.Image) -> Array:
    """A decoded trimap as H x W of exactly 0, 0.5 and 1."""
    values = np.asarray(image.convert("RGB"))
    if (values != values[:, :, :1]).any():
        refuse("trimap: one grey channel is expected; found colour channels that differ")
    values = values[:, :, 0]
    odd = np.setdiff1d(values, (0, 128, 255))
    if odd.size:
        found = ", ".join(str(value) for value in odd[:8])
        refuse(f"trimap: 0 (background), 128 (unknown) and 255 (foreground) are expected; found {found} too")
    if not (values == 128).any():
        refuse("trimap: no pixel is unknown (128), so there is nothing to estimate")
    return np.select([values == 0, values == 255], [np.float32(0), np.float32(1)], np.float32(0.5))


def refuse(message: str) -> NoReturn:
    """Say what is wrong with the request; chained errors would show a server's paths."""
    raise MlflowException(message, error_code=INVALID_PARAMETER_VALUE) from None


def _size(array: Array) -> str:
    return f"{array.shape[1]} x {array.shape[0]}"


mlflow.models.set_model(MattingModel())
