"""The table of distillation methods.

A method is a module whose `forward(matte, batch, progress)` returns weighted losses by name; `progress` is step /
steps in [0, 1]. Its own parameters (projection heads, a peer, a self-teacher) are trained along and not saved, so
that the student has the same architecture whatever the method.
"""

from collections.abc import Callable
from pathlib import Path

from torch import Tensor, nn

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
    others: Tensor | None = None,
) -> nn.ModuleDict:
    """Build the methods that `kd.methods` names; empty for training without distillation.

    Args:
        cache: The teacher's dense features.
        params: The section `kd`.
        laplacian: Weight of the Laplacian loss in the alpha losses of peers and auxiliary heads.
        new_student: Makes a peer.
        root: Folder that paths in `params` are relative to.
        others: For ERKD, the row of the cache whose codes each row gets; None: its own.
    """
    erkd = LayeredErkd if params.erkd.target == "layered" else Erkd
    matting_teacher = None if params.matting.teacher is None else root / params.matting.teacher
    builders: dict[str, Callable[[], nn.Module]] = {
        "erkd": lambda: erkd(student, cache, params.erkd, others),
        "bcd": lambda: Bcd(cache, params.bcd),
        "frskd": lambda: Frskd(student, laplacian, params.frskd),
        "ffcl": lambda: Ffcl(student, new_student(), laplacian, params.ffcl),
        "fb": lambda: Fb(student, params.fb),
        "matting": lambda: Matting(matting_teacher, params.matting),
    }
    return nn.ModuleDict({name: builders[name]() for name in params.methods})
