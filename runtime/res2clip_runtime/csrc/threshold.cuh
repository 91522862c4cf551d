// Which candidates of one query get weight, found without a sort.
//
// Sparsemax (method.md, section 4): on x = score - highest, from tau = -1, Newton's iteration
//     tau <- tau + (sum of (x - tau) over x > tau, minus 1) / count(x > tau)
// on a convex, piecewise linear function: tau rises to its exact value in finitely many steps.
// Over a subset of the references it ends below the value over all of them, which is what lets
// match_candidates.cuh drop references before it has seen the rest.
//
// K nearest: the K-th largest score, found bit by bit; among equal scores the first references win.
#pragma once

#include "team.cuh"

// One reference that may get weight.
struct __align__(8) Candidate {
    float score;
    int reference;
};

constexpr int MOST_NEWTON_STEPS = 64;  // 8 to 13 happen; rounding may not let it stop by itself

struct SparsemaxThreshold {
    float highest;
    float tau;  // relative to `highest`: -1 to 0

    __device__ float weight(float score) const { return fmaxf((score - highest) - tau, 0.0f); }
};

// At least one candidate, no NaN.
template <class Team>
__device__ SparsemaxThreshold sparsemax_threshold(Team team, const Candidate* list, int count) {
    SparsemaxThreshold found = {list[0].score, -1.0f};
    for (int i = team.rank(); i < count; i += team.size())
        found.highest = fmaxf(found.highest, list[i].score);
    found.highest = team.max(found.highest);
    for (int step = 0; step < MOST_NEWTON_STEPS; ++step) {
        float excess = 0.0f;
        float support = 0.0f;
        for (int i = team.rank(); i < count; i += team.size()) {
            const float above = found.weight(list[i].score);
            excess += above;
            support += above > 0.0f ? 1.0f : 0.0f;
        }
        excess = team.sum(excess);
        support = team.sum(support);
        const float next = found.tau + (excess - 1.0f) / support;
        if (!(next > found.tau)) break;
        found.tau = next;
    }
    return found;
}

// The `rank`-th largest score of the list (1: the largest).
template <class Team>
__device__ float nth_largest(Team team, const Candidate* list, int count, int rank) {
    unsigned key = 0;
    for (unsigned bit = 0x80000000u; bit != 0; bit >>= 1) {
        int above = 0;
        for (int i = team.rank(); i < count; i += team.size())
            above += ordered_key(list[i].score) >= (key | bit);
        if (team.sum(above) >= rank) key |= bit;
    }
    return float_of_key(key);
}

// The reference up to which scores equal to `cut` are among the `rank` best.
template <class Team>
__device__ int last_of_equals(Team team, const Candidate* list, int count, float cut, int rank) {
    int better = 0;
    for (int i = team.rank(); i < count; i += team.size()) better += list[i].score > cut;
    const int wanted = rank - team.sum(better);
    int low = 0, high = 0x7fffffff;
    while (low < high) {
        const int middle = low + (high - low) / 2;
        int equal = 0;
        for (int i = team.rank(); i < count; i += team.size())
            equal += list[i].score == cut && list[i].reference <= middle;
        if (team.sum(equal) >= wanted)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}
