"""Public checks of topic 01."""

from .cases import EXERCISES

__all__ = ["EXERCISES"]
