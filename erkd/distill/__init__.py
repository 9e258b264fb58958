"""Distillation methods, one per file. Each is a module whose forward(matte, batch) returns named losses."""

from torch import nn

from erkd.distill.erkd import Erkd
from erkd.features import FeatureCache
from erkd.params import KdParams
from erkd.students.student import Student


def build_methods(student: Student, cache: FeatureCache, params: KdParams) -> nn.ModuleDict:
    """The methods that `kd.methods` names, ready to train beside `student`; empty for plain training."""
    builders = {"erkd": lambda: Erkd(student, cache, params.erkd)}
    return nn.ModuleDict({name: builders[name]() for name in params.methods})
