// Every kernel of the runtime, compiled together into one module (res2clip_runtime/kernels/).
#include "match_candidates.cuh"
#include "match_residual.cuh"
#include "match_wide.cuh"
#include "resize.cuh"
#include "score.cuh"
