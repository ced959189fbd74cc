"""The embedding block: what a frozen backbone makes of each image."""

from features.embedding._backends import Backend, make_backend
from features.embedding._extractor import Embedding
from features.embedding._options import EmbeddingOptions
from features.embedding._views import Views, make_views

__all__ = [
    "Backend",
    "Embedding",
    "EmbeddingOptions",
    "Views",
    "make_backend",
    "make_views",
]
