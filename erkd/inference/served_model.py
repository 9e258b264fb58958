"""The model that MLflow serves: images and their trimaps or masks in base64 in, PNGs of alpha in base64 out.

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
from urllib.parse import unquote

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INTERNAL_ERROR, INVALID_PARAMETER_VALUE
from PIL import Image

from erkd.inference.masks import trimap_from_mask
from erkd.inference.matter import Matter
from erkd.io.colours import read_colours
from erkd.io.files import InputError, check_hash
from erkd.io.image_files import read_image, turn_with
from erkd.io.images import image_bytes, mask_bytes, trimap_bytes
from erkd.io.trimap_values import TrimapWarning, missing_kinds

with warnings.catch_warnings():
    warnings.simplefilter("ignore", UserWarning)  # MLflow warns of type hints of its own
    import mlflow.pyfunc

MAX_PIXELS = 12_500_000  # above a phone's 4032 x 3024
FORMATS = ("PNG", "JPEG", "WEBP")
INPUTS = ("image", "trimap", "mask")
DATA_URL = re.compile(r"\s*data:[^,]*,", re.IGNORECASE)
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
        """Return columns `alpha` and `warning` (None where there is none), a row for each of `model_input`.

        That has a column `image` and, in each row, a `trimap` or a `mask`.
        """
        try:
            if "image" not in model_input:
                raise InputError(f"a column image is expected; found {', '.join(map(str, model_input)) or 'none'}")
            count = len(model_input)
            columns = (model_input[name] if name in model_input else [None] * count for name in INPUTS)
            rows = enumerate(zip(*columns, strict=True))
            answers = [self._answer(f"row {at}, " if count > 1 else "", *row) for at, row in rows]
        except InputError as error:  # not chained, which would send the server's paths
            raise MlflowException(str(error), error_code=INVALID_PARAMETER_VALUE) from None
        except Exception:  # else the server would send the stack trace
            logging.getLogger(__name__).exception("no alpha")
            raise MlflowException("the model failed; the server's log says why", INTERNAL_ERROR) from None
        return pd.DataFrame(answers, columns=["alpha", "warning"])

    def _answer(self, row: str, image: object, trimap: object, mask: object) -> tuple[str, str | None]:
        """Alpha of one row and what has to be said about its trimap; `row` is how errors begin."""
        if _is_null(trimap) == _is_null(mask):
            found = "neither is given" if _is_null(mask) else "both are given"
            raise InputError(f"{row}a trimap or a mask is expected; {found}")
        is_mask = _is_null(trimap)
        photo, name = decode(image, f"{row}image"), f"{row}{'mask' if is_mask else 'trimap'}"
        drawn = decode(mask if is_mask else trimap, name)
        turn_with(drawn, photo)
        pixels = image_bytes(photo, read_colours(photo, f"{row}image"))
        with self.turn, warnings.catch_warnings():
            warnings.simplefilter("ignore", TrimapWarning)  # it is part of the answer
            if is_mask:
                kinds = trimap_from_mask(self.matter, pixels, mask_bytes(drawn, name), name=name)
            else:
                kinds = trimap_bytes(drawn, name)
            alpha = np.empty(kinds.shape, np.uint8)
            self.matter.write(pixels, kinds, alpha, name)
        stream = io.BytesIO()
        Image.fromarray(alpha).save(stream, "PNG")
        lacking = missing_kinds(kinds)
        return base64.b64encode(stream.getvalue()).decode(), f"{name}: {lacking}" if lacking else None


def _is_null(value: object) -> bool:
    return value is None or isinstance(value, float)  # null is NaN in pandas


def decode(text: object, name: str) -> Image.Image:
    """Decode a base64 image, upright as its EXIF data says. Raises InputError.

    Any of base64's forms: a data URL, line breaks, the alphabet of URLs or what is escaped for them, no padding.
    """
    if not isinstance(text, str):
        found = "nothing" if _is_null(text) else type(text).__name__
        raise InputError(f"{name}: base64 text is expected; found {found}")
    packed = "".join(DATA_URL.sub("", unquote(text), count=1).split()).translate(URL_ALPHABET).rstrip("=")
    try:
        content = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except ValueError:
        raise InputError(f"{name}: not base64 text") from None
    return read_image(io.BytesIO(content), name, MAX_PIXELS, FORMATS)


mlflow.models.set_model(MattingModel())
