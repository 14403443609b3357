"""What ``import earlyglow`` offers, and what it costs."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import earlyglow as eg


@pytest.mark.parametrize("name", eg.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(eg, name) is not None
    assert name in dir(eg)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="Glove"):
        _ = eg.Glove


def test_the_command_line_does_not_wait_for_torch() -> None:
    program = "import sys, earlyglow.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_module_of_the_package_needs_no_import_of_its_own() -> None:
    program = "import earlyglow; earlyglow.flows.Glow; earlyglow.metrics.auroc"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_the_reader_of_stored_results_does_not_wait_for_torchvision() -> None:
    program = (
        "import sys, earlyglow.experiments, earlyglow.findings, earlyglow.plots;"
        "sys.exit('torchvision' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("package", ["detectors", "short_circuit"])
def test_every_name_of_a_lazy_package_is_there(package: str) -> None:
    module = importlib.import_module(f"earlyglow.{package}")
    assert all(getattr(module, name) is not None for name in module.__all__)
