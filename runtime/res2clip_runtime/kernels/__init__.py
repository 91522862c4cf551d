"""Match, preprocessing and score as kernels of our own for CUDA devices (``csrc/``)."""
