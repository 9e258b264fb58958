"""The registered model: base64 PNG of an image and of a trimap in, base64 PNG of the alpha out.

MLflow stores this file with the model, and beside it the part of `erkd` that runs students (`registry.copy_code`),
so that it serves where `erkd` is not installed and answers as `erkd matte` does.
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

MAX_PIXELS = 12_500_000  # 4032 x 3024 of a telephone


class MattingModel(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined]
    """A student in ONNX. Bad input raises MlflowException(INVALID_PARAMETER_VALUE), a server's 400."""

    def load_context(self, context: mlflow.pyfunc.PythonModelContext) -> None:  # type: ignore[name-defined]
        """Open the network that lies beside the model, if it is the one that was registered."""
        path = Path(context.artifacts["onnx"])
        expected = (context.model_config or {}).get("onnx_sha256")  # older models name none
        try:
            if expected is not None:
                check_hash(path, expected, "register it anew: `dvc repro register`")
            self.matter = Matter.load(path, "cpu")
        except InputError as error:
            raise MlflowException(str(error)) from None
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
        try:
            image = image_bytes(decode(image_text, "image"))
            trimap = trimap_bytes(decode(trimap_text, "trimap"), "trimap")
            alpha = np.empty(trimap.shape, np.uint8)
            with self.turn:
                self.matter.write(image, trimap, alpha)
        except InputError as error:  # chained errors would show a server's paths
            raise MlflowException(str(error), error_code=INVALID_PARAMETER_VALUE) from None
        stream = io.BytesIO()
        Image.fromarray(alpha).save(stream, "PNG")
        return base64.b64encode(stream.getvalue()).decode()


def decode(text: str, name: str) -> Image.Image:
    """The upright image that base64 text of a PNG holds. Raises InputError."""
    try:
        content = base64.b64decode(text, validate=True)
    except (TypeError, ValueError):
        raise InputError(f"{name}: not base64 text") from None
    return read_image(io.BytesIO(content), name, MAX_PIXELS, ("PNG",))


mlflow.models.set_model(MattingModel())
