"""Where a run computes."""

import pytest
import torch

from erkd.io.files import InputError
from erkd.runtime.device import choose_device


def test_cuda_that_is_not_there_is_refused():
    assert choose_device("cpu").type == "cpu"
    if not torch.cuda.is_available():
        assert choose_device("auto").type == "cpu"
        with pytest.raises(InputError, match="cuda was asked for"):
            choose_device("cuda")
