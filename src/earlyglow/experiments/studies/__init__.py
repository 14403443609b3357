"""Studies: each asks one question of the flows that an epoch sweep trained."""

from earlyglow.experiments.studies.base import FlowStudy
from earlyglow.experiments.studies.group_size import GroupSize
from earlyglow.experiments.studies.kmnist_failure import KmnistFailure
from earlyglow.experiments.studies.likelihood_paradox import LikelihoodParadox
from earlyglow.experiments.studies.low_level_features import LowLevelFeatures
from earlyglow.experiments.studies.released_code import ReleasedCode
from earlyglow.experiments.studies.support_overlap import SupportOverlap
from earlyglow.experiments.studies.synthetic_augmentation import SyntheticAugmentation

STUDIES: tuple[type[FlowStudy], ...] = (
    GroupSize,
    LikelihoodParadox,
    SupportOverlap,
    LowLevelFeatures,
    KmnistFailure,
    SyntheticAugmentation,
    ReleasedCode,
)

__all__ = [
    "STUDIES",
    "FlowStudy",
    "GroupSize",
    "KmnistFailure",
    "LikelihoodParadox",
    "LowLevelFeatures",
    "ReleasedCode",
    "SupportOverlap",
    "SyntheticAugmentation",
]
