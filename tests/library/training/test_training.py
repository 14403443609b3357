"""Training: exact resume after a real kill, refusals by name, and the configured details."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import functional as TF

from earlyglow.datasets import ImageSet, centre, load_images
from earlyglow.flows import DenseGlow, Glow
from earlyglow.training import (
    CheckpointError,
    NonFiniteLossError,
    TrainingConfig,
    fitting,
    load_weights,
    train,
)
from earlyglow.training.batches import Batches, augment, batch_indices, prepare
from earlyglow.training.checkpoints import load_tensors, save_tensors

CPU = torch.device("cpu")


def tiny(seed: int = 0) -> Glow:
    torch.manual_seed(seed)
    return Glow((1, 8, 8), levels=2, steps=1, hidden=4)


def digits(count: int = 128) -> ImageSet:
    return load_images("digits", "train", limit=count)


def config(**changes: object) -> TrainingConfig:
    settings: dict[str, object] = {
        "epochs": (0, 0.5, 1, 2),
        "batch_size": 32,
        "warmup_epochs": 1,
        "initialisation_images": 64,
        "augmentation": ("shift", "flip"),
    }
    return TrainingConfig(**{**settings, **changes})  # type: ignore[arg-type]


def weights_of(path: Path) -> dict[str, Tensor]:
    return load_tensors(path)[0]


def test_checkpoints_log_and_learning(tmp_path: Path) -> None:
    settings = config(epochs=(0, 0.5, 8), learning_rate=5e-3, augmentation=())
    run = train(tiny(), digits(), settings, tmp_path, CPU)
    assert list(run.checkpoints) == [0, 0.5, 8]
    assert all(path.is_file() for path in run.checkpoints.values())
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == run.log
    assert run.log[-1]["step"] == 32
    assert run.log[-1]["bits_per_dim"] < run.log[0]["bits_per_dim"] - 0.1


def test_epoch_zero_is_the_initialised_model(tmp_path: Path) -> None:
    """Actnorms are set, no weight of a network has moved."""
    fresh = tiny()
    before = {name: p.clone() for name, p in fresh.named_parameters()}
    run = train(fresh, digits(), config(epochs=(0,)), tmp_path, CPU)
    after = weights_of(run.checkpoints[0])
    assert bool(after["levels.0.steps.1.steps.0.norm.initialised"])
    for name, parameter in before.items():
        is_norm = ".norm." in name
        assert is_norm or torch.equal(parameter, after[name]), name


def test_same_seed_same_weights_other_seed_other_weights(tmp_path: Path) -> None:
    runs = [
        train(tiny(), digits(), config(seed=seed), tmp_path / str(i), CPU)
        for i, seed in enumerate((0, 0, 1))
    ]
    first, again, other = (weights_of(run.checkpoints[2]) for run in runs)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_finished_run_is_not_trained_again(tmp_path: Path) -> None:
    first = train(tiny(), digits(), config(), tmp_path, CPU)
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    model = tiny(seed=9)
    second = train(model, digits(), config(), tmp_path, CPU)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == stamps
    assert second.log == first.log
    # A table of the log has its columns in the order of the names.
    assert [list(record) for record in second.log] == [list(record) for record in first.log]
    expected = weights_of(first.checkpoints[2])
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())


KILLED_RUN = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    import torch
    from earlyglow.training import fitting
    from tests.library.training.test_training import config, digits, tiny

    fitting._SAVE_SECONDS = 0.0  # save at every check, so that kills fall between saves too
    fitting._CHECK_STEPS = 3
    torch.set_num_threads(1)
    settings = config(epochs=(0, 1, 40))
    fitting.train(tiny(), digits(), settings, Path(sys.argv[1]), torch.device("cpu"))
    """
)


def test_killed_and_resumed_ends_bit_identical(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process killed with SIGKILL three times at odd moments against a training left alone."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "OMP_NUM_THREADS": "1",
    }
    killed, alone = tmp_path / "killed", tmp_path / "alone"
    command = [sys.executable, "-c", KILLED_RUN]
    seen = 0
    for round_number in range(3):
        process = subprocess.Popen([*command, str(killed)], env=environment)
        target = 15 + 30 * round_number
        while seen < target and process.poll() is None:
            time.sleep(0.02)
            seen = _logged_steps(killed)
        time.sleep(0.007 * round_number)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    assert 0 < seen < 160
    monkeypatch.setattr(fitting, "_CHECK_STEPS", 3)
    for folder in (killed, alone):
        fitting.train(tiny(), digits(), config(epochs=(0, 1, 40)), folder, CPU)
    for name in ("epoch-0", "epoch-1", "epoch-40", "state"):
        ours = weights_of(killed / f"{name}.safetensors")
        theirs = weights_of(alone / f"{name}.safetensors")
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours), name
    assert (killed / "log.jsonl").read_text() == (alone / "log.jsonl").read_text()


def _logged_steps(folder: Path) -> int:
    log = folder / "log.jsonl"
    lines = log.read_text().splitlines() if log.exists() else []
    return int(json.loads(lines[-1])["step"]) if lines else 0


def test_non_finite_loss_names_epoch_step_and_checkpoint(tmp_path: Path) -> None:
    settings = config(epochs=(0, 50), learning_rate=1e30, warmup_epochs=0)
    with pytest.raises(NonFiniteLossError, match=r"epoch \d+\.\d+, step \d+.*epoch-0\.safetensors"):
        train(tiny(), digits(), settings, tmp_path, CPU)
    # What lies there is from before the loss went wrong.
    assert all(v.isfinite().all() for v in weights_of(tmp_path / "epoch-0.safetensors").values())


def test_foreign_run_is_refused(tmp_path: Path) -> None:
    train(tiny(), digits(), config(), tmp_path, CPU)
    with pytest.raises(CheckpointError, match=r"state\.safetensors belongs to another"):
        train(tiny(), digits(), config(seed=1), tmp_path, CPU)
    with pytest.raises(CheckpointError, match="belongs to another"):
        train(tiny(), digits(96), config(), tmp_path, CPU)


def test_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    run = train(tiny(), digits(), config(), tmp_path, CPU)
    path = run.checkpoints[2]
    whole = bytearray(path.read_bytes())
    whole[-3] ^= 255
    path.write_bytes(whole)
    with pytest.raises(CheckpointError, match=r"epoch-2\.safetensors is damaged"):
        load_weights(tiny(), path)
    path.write_bytes(bytes(whole[:50]))
    with pytest.raises(CheckpointError, match="not a readable safetensors"):
        load_weights(tiny(), path)
    path.unlink()
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        load_weights(tiny(), path)


def test_foreign_checkpoint_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="not written by earlyglow"):
        load_weights(tiny(), tmp_path / "other.safetensors")
    save_tensors(tmp_path / "dense.safetensors", DenseGlow((1, 2, 2), 1, 2, 0).state_dict(), {})
    with pytest.raises(CheckpointError, match="weights of another model"):
        load_weights(tiny(), tmp_path / "dense.safetensors")


def test_a_lost_checkpoint_is_made_again(tmp_path: Path) -> None:
    first = train(tiny(), digits(), config(), tmp_path, CPU)
    expected = weights_of(first.checkpoints[0.5])
    first.checkpoints[0.5].unlink()
    again = train(tiny(), digits(), config(), tmp_path, CPU)
    found = weights_of(again.checkpoints[0.5])
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_epochs_on_the_same_step_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two of them fall on the same step: an epoch has 4"):
        train(tiny(), digits(), config(epochs=(0, 0.01, 1)), tmp_path, CPU)


def test_a_model_that_differs_in_more_than_shapes_is_foreign(tmp_path: Path) -> None:
    settings = config(epochs=(0,))
    train(DenseGlow((1, 8, 8), 4, 8, 1), digits(), settings, tmp_path, CPU)
    with pytest.raises(CheckpointError, match="belongs to another"):
        train(DenseGlow((1, 8, 8), 2, 8, 1), digits(), settings, tmp_path, CPU)


def test_every_image_is_seen_once_in_a_pass() -> None:
    settings = config(images_per_epoch=64)
    seen = torch.cat([batch_indices(settings, 128, step) for step in range(4)])
    assert sorted(seen.tolist()) == list(range(128))
    again = torch.cat([batch_indices(settings, 128, step) for step in range(4, 8)])
    assert sorted(again.tolist()) == list(range(128))
    assert not torch.equal(seen, again)


def test_a_run_goes_on_to_further_epochs(tmp_path: Path) -> None:
    """As if it had been asked for them at once; and back, to epochs that it has passed."""
    short, long = config(epochs=(0, 1)), config(epochs=(0, 1, 2.5, 4))
    train(tiny(), digits(), short, tmp_path / "twice", CPU)
    continued = train(tiny(), digits(), long, tmp_path / "twice", CPU)
    at_once = train(tiny(), digits(), long, tmp_path / "once", CPU)
    for epoch in (0, 1, 2.5, 4):
        found, expected = (weights_of(run.checkpoints[epoch]) for run in (continued, at_once))
        assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert continued.log == at_once.log
    flow = tiny()
    again = train(flow, digits(), short, tmp_path / "twice", CPU)
    expected = weights_of(at_once.checkpoints[1])
    assert all(torch.equal(value, expected[name]) for name, value in flow.state_dict().items())
    assert [record["step"] for record in again.log] == [4]
    assert weights_of(tmp_path / "twice" / "state.safetensors")["optimiser.0.step"] == 16


def test_warm_up_of_the_paper() -> None:
    """The whole first epoch runs at 1e-4, the fifth and later at 5e-4."""
    settings = TrainingConfig()
    rates = [settings.learning_rate_at(epoch) for epoch in range(7)]
    assert rates == pytest.approx([1e-4, 2e-4, 3e-4, 4e-4, 5e-4, 5e-4, 5e-4])


def test_augmentation_is_a_translation_and_a_flip() -> None:
    """Every augmented image is one of torchvision's translations, flipped or not."""
    images = load_images("textures", limit=6).images
    for seed in range(3):
        augmented = augment(config(seed=seed), images, {seed: len(images)})
        for image, result in zip(images, augmented, strict=True):
            candidates = [
                candidate
                for across in range(-3, 4)
                for down in range(-3, 4)
                for shifted in [TF.affine(image, 0.0, [across, down], 1.0, [0.0])]
                for candidate in (shifted, shifted.flip(2))
            ]
            assert any(torch.equal(result, candidate) for candidate in candidates)
    first, second = (augment(config(), images, {step: len(images)}) for step in (0, 1))
    assert not torch.equal(first, second)


def test_noise_is_fresh_each_step_and_can_be_off() -> None:
    images, indices = digits(8).images, torch.arange(8)
    plain = config(augmentation=())
    assert not torch.equal(
        prepare(plain, images, [indices], [0]), prepare(plain, images, [indices], [1])
    )
    silent = config(augmentation=(), noise="none")
    assert torch.equal(prepare(silent, images, [indices], [3]), centre(images))


def test_batches_do_not_depend_on_how_many_are_prepared_together() -> None:
    images = digits().images
    alone, ahead = (Batches(config(), images, ahead) for ahead in (1, 5))
    for step in (0, 1, 2, 7, 6):
        assert torch.equal(alone[step], ahead[step])


def test_bf16_trains(tmp_path: Path) -> None:
    run = train(tiny(), digits(), config(precision="bf16"), tmp_path, CPU)
    assert all(v.dtype != torch.bfloat16 for v in weights_of(run.checkpoints[2]).values())


def test_dense_glow_trains(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = DenseGlow((1, 8, 8), steps=4, hidden=32, depth=1)
    settings = config(epochs=(0, 6), optimiser="adamw", learning_rate=2e-3, warmup_epochs=0)
    run = train(model, digits(), settings, tmp_path, CPU)
    assert run.log[-1]["bits_per_dim"] < run.log[0]["bits_per_dim"]


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"epochs": ()}, "epochs"),
        ({"epochs": (2, 1)}, r"epochs is \(2, 1\).*increasing"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"optimiser": "sgd"}, "optimiser is 'sgd'.*adamax, adamw"),
        ({"augmentation": ("rotate",)}, "augmentation is 'rotate'.*shift, flip"),
        ({"noise": "gaussian"}, "noise is 'gaussian'"),
        ({"learning_rate": -1.0}, "learning_rate is -1.0"),
        ({"images_per_epoch": 8}, "images_per_epoch is 8"),
        ({"epochs": (0, float("nan"))}, "epochs"),
        ({"batch_size": 32.5}, "batch_size is 32.5"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"learning_rate": float("inf")}, "learning_rate is inf"),
        ({"precision": "fp8"}, "precision is 'fp8'"),
    ],
)
def test_bad_settings_are_refused_by_name(changes: dict[str, object], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        config(**changes)


def test_too_few_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="only 16 training images"):
        train(tiny(), digits(16), config(), tmp_path, CPU)


def test_seeds_of_numpy_and_paths_as_text(tmp_path: Path) -> None:
    settings = config(epochs=(0, 0.5), seed=np.int64(2))
    run = train(tiny(), digits(), settings, str(tmp_path), CPU)
    again = train(tiny(), digits(), config(epochs=(0, 0.5), seed=2), tmp_path / "again", CPU)
    assert_same(weights_of(run.checkpoints[0.5]), weights_of(again.checkpoints[0.5]))
    load_weights(tiny(), str(run.checkpoints[0.5]))


def assert_same(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_another_runs_setting_is_named(tmp_path: Path) -> None:
    train(tiny(), digits(), config(epochs=(0, 1)), tmp_path, CPU)
    with pytest.raises(CheckpointError, match=r"run: batch_size is 16 here and 32 there; choose"):
        train(tiny(), digits(), config(epochs=(0, 2), batch_size=16), tmp_path, CPU)
    with pytest.raises(CheckpointError, match="other images or another model"):
        train(tiny(), digits(64), config(epochs=(0, 1)), tmp_path, CPU)


def test_only_image_sets_are_trained_on(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="of type Tensor, but train takes an ImageSet"):
        train(tiny(), digits().images, config(), tmp_path, CPU)  # type: ignore[arg-type]


def test_numbers_of_numpy_are_settings(tmp_path: Path) -> None:
    settings = config(epochs=np.array([0, 1]), batch_size=np.int64(32))
    run = train(tiny(), digits(), settings, tmp_path, CPU)
    assert list(run.checkpoints) == [0, 1]
    assert load_tensors(run.checkpoints[1])[1]["config"]["batch_size"] == 32  # type: ignore[index]
