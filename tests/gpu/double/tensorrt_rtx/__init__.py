"""The stand-in for TensorRT once more, as TensorRT for RTX."""

from tensorrt import *

__version__ = "1.7.0.double"
