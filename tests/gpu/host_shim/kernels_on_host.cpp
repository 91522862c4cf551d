// The unchanged kernels, built for the CPU.
#include "cuda_on_host.h"

#include "kernels.cu"

CUDA_ON_HOST_KERNEL(to_half)
CUDA_ON_HOST_KERNEL(match_candidates)
CUDA_ON_HOST_KERNEL(match_residual)
CUDA_ON_HOST_KERNEL(match_wide)
CUDA_ON_HOST_KERNEL(resize_rows)
CUDA_ON_HOST_KERNEL(resize_columns)
CUDA_ON_HOST_KERNEL(score_top)
CUDA_ON_HOST_KERNEL(score_map)
