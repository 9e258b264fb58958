"""The model that MLflow serves: images and trimaps in base64 in, PNGs of alpha in base64 out.

MLflow stores this file as the model's code, with the part of `erkd` that it needs (`registry.copy_code`), so that it
runs where `erkd` is not installed.
"""

import base64
import io
import logging
import re
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
from erkd.io.image_files import read_image, turn_with
from erkd.io.images import image_bytes, trimap_bytes
from erkd.io.trimap_values import TrimapWarning, missing_kinds

with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # MLflow warns of type hints of its own
    import mlflow.pyfunc

MAX_PIXELS = 12_500_000  # above a phone's 4032 x 3024
FORMATS = ("PNG", "JPEG", "WEBP")
INPUTS = ("image", "trimap")
DATA_URL = re.compile(r"\s*data:[^,]*,")
URL_ALPHABET = str.maketrans("-_", "+/")


class MattingModel(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined]
    """A student in ONNX. Bad input raises MlflowException(INVALID_PARAMETER_VALUE), which servers answer with 400."""

    def load_context(self, context: mlflow.pyfunc.PythonModelContext) -> None:  # type: ignore[name-defined]
        """Load the ONNX artifact, after checking its hash."""
        path = Path(context.artifacts["onnx"])
        expected = (context.model_config or {}).get("onnx_sha256")  # missing in older models
        try:
            if expected is not None:
                check_hash(path, expected, "`dvc repro -sf register` registers the last student anew")
            self.matter = Matter.load(path, "cpu")
        except InputError as error:
            raise MlflowException(str(error)) from None
        self.turn = threading.Lock()  # one large image in memory at a time

    def predict(self, context: object, model_input: pd.DataFrame, params: object = None) -> pd.DataFrame:
        """Return columns `alpha` and `warning` (None where there is none) for the columns `image` and `trimap`."""
        try:
            lacking = [name for name in INPUTS if name not in model_input]
            if lacking:
                raise InputError(
                    f"a column {lacking[0]} is expected; found {', '.join(map(str, model_input)) or 'none'}"
                )
            rows = [*zip(*(model_input[name] for name in INPUTS), strict=True)]
            answers = [self._answer(f"row {at}, " if len(rows) > 1 else "", *row) for at, row in enumerate(rows)]
        except InputError as error:  # not chained, which would send the server's paths
            raise MlflowException(str(error), error_code=INVALID_PARAMETER_VALUE) from None
        except Exception:  # else the server would send the stack trace
            logging.getLogger(__name__).exception("no alpha")
            raise MlflowException("the model failed; the server's log says why", INTERNAL_ERROR) from None
        return pd.DataFrame(answers, columns=["alpha", "warning"])

    def _answer(self, row: str, image_text: str, trimap_text: str) -> tuple[str, str | None]:
        photo, drawn = decode(image_text, f"{row}image"), decode(trimap_text, f"{row}trimap")
        turn_with(drawn, photo)
        image, trimap = image_bytes(photo), trimap_bytes(drawn, f"{row}trimap")
        alpha = np.empty(trimap.shape, np.uint8)
        with self.turn, warnings.catch_warnings():
            warnings.simplefilter("ignore", TrimapWarning)  # it is part of the answer
            self.matter.write(image, trimap, alpha, f"{row}trimap")
        stream = io.BytesIO()
        Image.fromarray(alpha).save(stream, "PNG")
        lacking = missing_kinds(trimap)
        return base64.b64encode(stream.getvalue()).decode(), f"{row}trimap: {lacking}" if lacking else None


def decode(text: object, name: str) -> Image.Image:
    """Decode a base64 image, upright as its EXIF data says. Raises InputError.

    Any of base64's forms: a data URL, with line breaks, with the alphabet of URLs, without padding.
    """
    if not isinstance(text, str):
        found = "nothing" if text is None or isinstance(text, float) else type(text).__name__  # null is NaN in pandas
        raise InputError(f"{name}: base64 text is expected; found {found}")
    packed = "".join(DATA_URL.sub("", text, count=1).split()).translate(URL_ALPHABET).rstrip("=")
    try:
        content = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except ValueError:
        raise InputError(f"{name}: not base64 text") from None
    return read_image(io.BytesIO(content), name, MAX_PIXELS, FORMATS)


mlflow.models.set_model(MattingModel())
