"""Normalizing flows: exact densities of images, with exact inverses."""

from earlyglow.flows.bijection import Bijection, Chain, Flow, bits_per_dim
from earlyglow.flows.dense_glow import DenseGlow
from earlyglow.flows.glow import Glow

__all__ = ["Bijection", "Chain", "DenseGlow", "Flow", "Glow", "bits_per_dim"]
