"""Compute the published results that are not stored yet."""

from __future__ import annotations

from earlyglow.experiments import EpochSweep, result_of

PUBLISHED = (
    EpochSweep(id_dataset="digits", profile="smoke"),
    EpochSweep(id_dataset="gtsrb", profile="smoke"),
    EpochSweep(id_dataset="fashion_mnist"),
    EpochSweep(id_dataset="cifar10"),
    EpochSweep(id_dataset="gtsrb"),
)


def main() -> None:
    for sweep in PUBLISHED:
        print(sweep.label(), flush=True)
        print("   ", result_of(sweep).provenance(), flush=True)


if __name__ == "__main__":
    main()
