"""What ``import earlyglow`` offers, and what it costs."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path

import pytest

import earlyglow as eg

# The public names; helpers are free, these are not.
NAMES = [
    "CheckpointError",
    "DATASETS",
    "DatasetError",
    "DenseGlow",
    "Flow",
    "Glow",
    "GradientShortCircuit",
    "ImageSet",
    "ImageStatisticsDetector",
    "InputComplexityDetector",
    "Interval",
    "LayerCovarianceDetector",
    "LayerDensityDetector",
    "LayerGradientDetector",
    "LayerNeighbourDetector",
    "LayerNorms",
    "LayerResidualDetector",
    "LikelihoodDetector",
    "NonFiniteLossError",
    "RaoDetector",
    "TotalNormDetector",
    "TrainingConfig",
    "TrainingRun",
    "TypicalityDetector",
    "aupr",
    "auroc",
    "auroc_interval",
    "bits_per_dim",
    "combine",
    "conformal_p_values",
    "dequantize",
    "fpr_at_tpr",
    "gradient_consistency",
    "halves",
    "layer_gradient_norms",
    "load_detector",
    "load_folder",
    "load_images",
    "load_weights",
    "overlap_coefficient",
    "overlap_interval",
    "save_detector",
    "split",
    "subset",
    "threshold",
    "train",
]
MODULES = "classifiers datasets detectors flows gradients metrics overlap short_circuit training"
# What the API page documents by its module.
DOCUMENTED = [
    "gradients.register",
    "gradients.Use",
    "gradients.Dense",
    "gradients.Outer",
    "short_circuit.Explanation",
    "short_circuit.SplitError",
    "short_circuit.gradient_magnitude",
    "short_circuit.AffineHeadWarning",
    "classifiers.SmallResNet",
    "classifiers.SmallCNN",
    "classifiers.train_classifier",
    "classifiers.ClassifierConfig",
    "classifiers.TrainedClassifier",
    "classifiers.calibration_error",
]
HEAVY = ("torch", "numpy", "scipy", "pandas", "pyarrow", "PIL", "matplotlib")


def _imported(program: str) -> list[str]:
    """Which of the heavy packages a program imports."""
    program += f"\nimport sys\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_the_public_names_are_these() -> None:
    modules = {"checks", *MODULES.split()}
    assert sorted(set(eg.__all__) - modules) == NAMES


@pytest.mark.parametrize("name", [*NAMES, *MODULES.split()])
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(eg, name) is not None
    assert name in dir(eg)


@pytest.mark.parametrize("name", DOCUMENTED)
def test_every_documented_name_of_a_module_is_there(name: str) -> None:
    module, attribute = name.split(".")
    assert getattr(getattr(eg, module), attribute) is not None


@pytest.mark.parametrize("package", ["datasets", "training"])
def test_every_name_of_a_lazy_package_is_there(package: str) -> None:
    module = getattr(eg, package)
    assert all(getattr(module, name) is not None for name in module.__all__)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="Glove"):
        _ = eg.Glove


@pytest.mark.parametrize("name", ["experiments", "findings", "plots", "reporting", "store", "cli"])
def test_a_module_that_moved_says_where_to(name: str) -> None:
    with pytest.raises(AttributeError, match=rf"earlyglow\.{name} has moved to earlyglow_book\."):
        getattr(eg, name)


def test_a_module_of_the_package_needs_no_import_of_its_own() -> None:
    program = "import earlyglow; earlyglow.flows.Glow; earlyglow.metrics.auroc"
    assert "torch" in _imported(program)


@pytest.mark.parametrize(
    "program",
    [
        "import earlyglow as eg; eg.DATASETS; eg.TrainingConfig; eg.DatasetError",
        "import earlyglow as eg; eg.CheckpointError; eg.NonFiniteLossError",
        "import earlyglow.datasets.finding, earlyglow.checks, earlyglow.hashing, earlyglow.cache",
    ],
)
def test_what_is_known_beforehand_needs_no_heavy_package(program: str) -> None:
    assert _imported(program) == []


def test_the_library_imports_nothing_of_the_book() -> None:
    """Neither by an import nor by a string: only the table of what moved names it."""
    folder = Path(eg.__file__).parent
    naming = [path for path in folder.rglob("*.py*") if b"earlyglow_book" in path.read_bytes()]
    sources = [path.name for path in naming if path.suffix in (".py", ".pyi")]
    assert sources == ["__init__.py"]
    moved = vars(eg)["_MOVED"]
    text = Path(eg.__file__).read_text()
    assert text.count("earlyglow_book") == sum(
        "earlyglow_book" in place for place in moved.values()
    )
    assert not any(isinstance(value, types.ModuleType) for value in moved.values())
