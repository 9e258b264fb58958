"""The distillation methods that parameters name.

Each is a module whose forward(matte, batch, progress) returns named losses of the student's `matte`, `progress`
being step / steps. What it holds beside the student (projectors, heads, a peer, a self-teacher) is trained with it
and never saved: the student is the same whatever taught it. No method at all is the control.
"""

from collections.abc import Callable
from pathlib import Path

from torch import nn

from erkd.distill.bcd import Bcd
from erkd.distill.erkd import Erkd
from erkd.distill.erkd_layered import LayeredErkd
from erkd.distill.ffcl import Ffcl
from erkd.distill.frskd import Frskd
from erkd.distill.layer_colours import Fb
from erkd.distill.matting_teacher import Matting
from erkd.features.cache import FeatureCache
from erkd.params import KdParams
from erkd.students.student import Student


def build_methods(
    student: Student,
    cache: FeatureCache,
    params: KdParams,
    *,
    laplacian: float,
    new_student: Callable[[], Student],
    root: Path,
) -> nn.ModuleDict:
    """The methods that `kd.methods` names, ready to train beside `student`; empty for plain training.

    `laplacian` weighs in the alpha losses of further heads; `new_student` makes a peer; folders lie under `root`.
    """
    erkd = LayeredErkd if params.erkd.target == "layered" else Erkd
    matting_teacher = None if params.matting.teacher is None else root / params.matting.teacher
    builders: dict[str, Callable[[], nn.Module]] = {
        "erkd": lambda: erkd(student, cache, params.erkd),
        "bcd": lambda: Bcd(cache, params.bcd),
        "frskd": lambda: Frskd(student, laplacian, params.frskd),
        "ffcl": lambda: Ffcl(student, new_student(), laplacian, params.ffcl),
        "fb": lambda: Fb(student, params.fb),
        "matting": lambda: Matting(matting_teacher, params.matting),
    }
    return nn.ModuleDict({name: builders[name]() for name in params.methods})
