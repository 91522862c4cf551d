// The end of a match: from a row's candidates to its residual, in fp32.  Used by match_residual (a
// warp a row) and match_wide (a block a row).
#pragma once

#include "match.cuh"

constexpr float TEMPERATURE = 0.05f;  // of the softmax over the K nearest (method.md, section 4)

// One query row, and where its answers go.
struct MatchRow {
    const float* query;      // (D,)
    const __half* bank;      // (N, D), of the row's tap
    const float* bank_rho;   // (N,)
    const float* direction;  // (D,), or null
    float* residual;         // (D,)
    float* norm;             // one float
    float* along;            // one float: <residual, direction>
    int patch;
    float rho;

    __device__ float penalty(const MatchShape& shape, int reference) const {
        return penalty_of(shape, patch, rho, reference, bank_rho[reference]);
    }
};

__device__ __forceinline__ MatchRow match_row(const MatchShape& shape, int index,
                                              const float* queries, const __half* bank,
                                              const float* bank_rho, const float* direction,
                                              float* residual, float* norm, float* along) {
    const int patch = index % shape.patches;
    const int tap = index / shape.patches % shape.taps;
    const size_t start = static_cast<size_t>(index) * shape.depth;
    const __half* of_tap = bank + static_cast<size_t>(tap) * shape.references * shape.depth;
    return {queries + start, of_tap,        bank_rho, direction, residual + start, norm + index,
            along + index,   patch,         patch_rho(patch, shape.grid)};
}

// Eight neighbouring values of a row in fp16, as fp32.
struct EightFloats {
    float value[8];

    __device__ explicit EightFloats(const __half* row) {
        const uint4 bits = *reinterpret_cast<const uint4*>(row);
        const __half* halves = reinterpret_cast<const __half*>(&bits);
        for (int i = 0; i < 8; ++i) value[i] = __half2float(halves[i]);
    }
};

template <class Team>
__device__ void write_broken(Team team, const MatchShape& shape, const MatchRow& row) {
    for (int i = team.rank(); i < shape.depth; i += team.size()) row.residual[i] = not_a_number();
    if (team.rank() == 0) *row.norm = *row.along = not_a_number();
}

// Replaces the candidates' scores by exact ones: <q, r> - penalty.  A warp takes one at a time.
template <class Team>
__device__ void score_exactly(Team team, const MatchShape& shape, const MatchRow& row,
                              Candidate* list, int count) {
    const int lane = threadIdx.x % LANES;
    for (int i = team.warp(); i < count; i += team.warps()) {
        const int reference = list[i].reference;
        const __half* values = row.bank + static_cast<size_t>(reference) * shape.depth;
        float product = 0.0f;
        for (int column = lane * 8; column < shape.depth; column += LANES * 8) {
            const EightFloats eight(values + column);
            for (int j = 0; j < 8; ++j) product += row.query[column + j] * eight.value[j];
        }
        product = Warp().sum(product);
        if (lane == 0) list[i].score = product - row.penalty(shape, reference);
    }
    team.sync();
}

// Replaces the candidates' scores by weights, up to a common factor.
template <class Team>
__device__ void weigh(Team team, const MatchShape& shape, const MatchRow& row, Candidate* list,
                      int count) {
    if (shape.neighbours > 0) {
        const int rank = min(shape.neighbours, count);
        const float cut = nth_largest(team, list, count, rank);
        const int last = last_of_equals(team, list, count, cut, rank);
        team.sync();
        for (int i = team.rank(); i < count; i += team.size()) {
            const Candidate one = list[i];
            const bool chosen = one.score > cut || (one.score == cut && one.reference <= last);
            // The penalty chooses, plain similarity weighs; similarity is at most 1.
            const float similarity = one.score + row.penalty(shape, one.reference);
            list[i].score = chosen ? expf((similarity - 1.0f) / TEMPERATURE) : 0.0f;
        }
    } else {
        const SparsemaxThreshold threshold = sparsemax_threshold(team, list, count);
        team.sync();
        for (int i = team.rank(); i < count; i += team.size())
            list[i].score = threshold.weight(list[i].score);
    }
    team.sync();
}

// Writes R = q - normalise(sum of weight r), its norm and its product with the direction.
template <class Team>
__device__ void write_residual(Team team, const MatchShape& shape, const MatchRow& row,
                               const Candidate* list, int count) {
    float squares = 0.0f;
    for (int column = team.rank() * 8; column < shape.depth; column += team.size() * 8) {
        float mixed[8] = {};
        for (int i = 0; i < count; ++i) {
            const float weight = list[i].score;
            if (weight == 0.0f) continue;
            const size_t start = static_cast<size_t>(list[i].reference) * shape.depth;
            const EightFloats eight(row.bank + start + column);
            for (int j = 0; j < 8; ++j) mixed[j] += weight * eight.value[j];
        }
        for (int j = 0; j < 8; ++j) {
            squares += mixed[j] * mixed[j];
            row.residual[column + j] = mixed[j];  // for this thread to read again below
        }
    }
    const float length = fmaxf(sqrtf(team.sum(squares)), 1e-12f);
    float residual_squares = 0.0f, along = 0.0f;
    for (int column = team.rank() * 8; column < shape.depth; column += team.size() * 8) {
        for (int j = column; j < column + 8; ++j) {
            const float value = row.query[j] - row.residual[j] / length;
            row.residual[j] = value;
            residual_squares += value * value;
            if (row.direction != nullptr) along += value * row.direction[j];
        }
    }
    residual_squares = team.sum(residual_squares);
    along = team.sum(along);
    if (team.rank() == 0) {
        *row.norm = sqrtf(residual_squares);
        *row.along = along;
    }
}
