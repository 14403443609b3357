"""Small image classifiers, trained on two cores, for the detectors that need one."""

from earlyglow.classifiers.fitting import (
    ClassifierConfig,
    TrainedClassifier,
    train_classifier,
)
from earlyglow.classifiers.networks import SmallCNN, SmallResNet, build_classifier
from earlyglow.classifiers.quality import calibration_error, predicted_logits

__all__ = [
    "ClassifierConfig",
    "SmallCNN",
    "SmallResNet",
    "TrainedClassifier",
    "build_classifier",
    "calibration_error",
    "predicted_logits",
    "train_classifier",
]
