"""Transformer architectures: what they store of the past, what they compute, what they read."""

from kvsim.models.catalogue import model, names
from kvsim.models.layout import KVLayout, Layer
from kvsim.models.model import Attention, Matmul, Model

__all__ = ["Attention", "KVLayout", "Layer", "Matmul", "Model", "model", "names"]
