"""The model that MLflow serves: base64 PNGs of image and trimap in, a base64 PNG of alpha out.

MLflow stores this file as the model's code, with the part of `erkd` that it needs (`registry.copy_code`), so that it
runs where `erkd` is not installed.
"""

import base64
import io
import logging
import threading
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, INVALID_PARAMETER_VALUE
from PIL import Image

from erkd.inference.matter import Matter
from erkd.io.files import InputError, check_hash
from erkd.io.image_files import read_image
from erkd.io.images import image_bytes, trimap_bytes

with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # MLflow warns of type hints of its own
    import mlflow.pyfunc

MAX_PIXELS = 12_500_000  # above a phone's 4032 x 3024


class MattingModel(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined]
    """A student in ONNX. Bad input raises MlflowException(INVALID_PARAMETER_VALUE), which servers answer with 400."""

    def load_context(self, context: mlflow.pyfunc.PythonModelContext) -> None:  # type: ignore[name-defined]
        """Load the ONNX artifact, after checking its hash."""
        path = Path(context.artifacts["onnx"])
        expected = (context.model_config or {}).get("onnx_sha256")  # missing in older models
        try:
            if expected is not None:
                check_hash(path, expected, "register it anew: `dvc repro register`")
            self.matter = Matter.load(path, "cpu")
        except InputError as error:
            raise MlflowException(str(error)) from None
        self.turn = threading.Lock()  # one large image in memory at a time

    def predict(self, context: object, model_input: pd.DataFrame, params: object = None) -> pd.DataFrame:
        """Return a column `alpha` for the columns `image` and `trimap`."""
        rows = zip(model_input["image"], model_input["trimap"], strict=True)
        try:
            return pd.DataFrame({"alpha": [self._answer(image, trimap) for image, trimap in rows]})
        except MlflowException:
            raise
        except Exception:  # else the server would send the stack trace
            logging.getLogger(__name__).exception("no alpha")
            raise MlflowException("the model failed; the server's log says why", INTERNAL_ERROR) from None

    def _answer(self, image_text: str, trimap_text: str) -> str:
        try:
            image = image_bytes(decode(image_text, "image"))
            trimap = trimap_bytes(decode(trimap_text, "trimap"), "trimap")
            alpha = np.empty(trimap.shape, np.uint8)
            with self.turn:
                self.matter.write(image, trimap, alpha)
        except InputError as error:  # not chained, which would send the server's paths
            raise MlflowException(str(error), error_code=INVALID_PARAMETER_VALUE) from None
        stream = io.BytesIO()
        Image.fromarray(alpha).save(stream, "PNG")
        return base64.b64encode(stream.getvalue()).decode()


def decode(text: str, name: str) -> Image.Image:
    """Decode a base64 PNG and apply its EXIF orientation. Raises InputError."""
    try:
        content = base64.b64decode(text, validate=True)
    except (TypeError, ValueError):
        raise InputError(f"{name}: not base64 text") from None
    return read_image(io.BytesIO(content), name, MAX_PIXELS, ("PNG",))


mlflow.models.set_model(MattingModel())
