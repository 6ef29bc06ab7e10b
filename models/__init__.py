"""Transformer architectures: what they store per token and what they compute."""

from kvsim.models.attention import Attention
from kvsim.models.catalogue import model, names
from kvsim.models.layout import KVLayout, Layer
from kvsim.models.matmuls import Matmul
from kvsim.models.model import Model

__all__ = ["Attention", "KVLayout", "Layer", "Matmul", "Model", "model", "names"]
