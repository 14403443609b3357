"""The released one-channel model at its own size, beside the classroom's."""

from __future__ import annotations

import pandas as pd

from earlyglow_book.chapters.dense_glow_full_size import DenseGlowFullSize, beside_classroom, words


def test_the_full_size_is_compared_at_the_epochs_that_both_sizes_have() -> None:
    """At full size the two sets lose .1 and .3 from epoch 1 to 20, and end .2 and 0 above."""

    def rows(values: dict[tuple[str, float], float], model: str = "dense_glow") -> pd.DataFrame:
        common = {"ood": "x", "model": model, "seed": 0, "group_size": 1}
        common |= {"detector": "layer_gradients", "objective": "log_prob"}
        return pd.DataFrame(
            [{"id_dataset": n, "epoch": e, "auroc": a, **common} for (n, e), a in values.items()]
        )

    full = {("mnist", 0.0): 0.1, ("mnist", 1.0): 0.8, ("mnist", 20.0): 0.7}
    full |= {("omniglot", 1.0): 0.9, ("omniglot", 20.0): 0.6, ("omniglot", 50.0): 0.2}
    small = {("mnist", 1.0): 0.4, ("mnist", 3.0): 0.3, ("mnist", 20.0): 0.5}
    small |= {("omniglot", 1.0): 0.4, ("omniglot", 3.0): 0.3, ("omniglot", 20.0): 0.6}
    small |= {("kmnist", 1.0): 0.9, ("kmnist", 3.0): 0.9, ("kmnist", 20.0): 0.9}
    other = rows({("mnist", 20.0): 0.0}, model="glow")
    tables = {"full_size": rows(full), "classroom": pd.concat([rows(small), other])}
    beside = beside_classroom(tables["full_size"], tables["classroom"])
    assert beside.columns.to_list() == [
        (size, epoch) for size in ("full size", "classroom") for epoch in (1.0, 20.0)
    ]
    assert beside.loc["mnist"].to_list() == [0.8, 0.7, 0.4, 0.5]
    assert beside.loc["omniglot"].to_list() == [0.9, 0.6, 0.4, 0.6]
    epochs = pd.DataFrame({"dataset": "mnist", "epoch": [1.0, 20.0], "bits_per_dim": [5.0, 2.0]})
    own = tables["full_size"].query("id_dataset == 'mnist'")
    config = DenseGlowFullSize("mnist", profile="smoke")
    found = words(
        config, {"aurocs": own, "epochs": epochs}, tables["full_size"], tables["classroom"]
    )
    assert (found["early"], found["last"], found["common_last"]) == ("1", "20", "20")
    assert (found["auroc_early"], found["auroc_last"]) == ("0.800", "0.700")
    assert (found["bits_early"], found["bits_last"]) == ("5.00", "2.00")
    assert found["change"] == "-0.200 [-1.000, 1.000]"
    assert found["against"].startswith("0.100 [-1.000, ")
    assert (found["falls_on"], found["rises_on"]) == ("MNIST, Omniglot", "none")
    assert (found["longest_set"], found["longest_last"]) == ("Omniglot", "50")
    assert (found["longest_at_common"], found["longest_at_last"]) == ("0.600", "0.200")
    assert (found["sets"], found["pairs"]) == ("2", "2")
