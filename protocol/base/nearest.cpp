// SPDX-License-Identifier: MIT
#include "protocol/base/nearest.h"

#include "protocol/base/quote.h"

#include <algorithm>
#include <vector>

namespace xk {
namespace {

// The number of typing errors between two words: a letter too many, missing or wrong, or two in the wrong order
// (optimal string alignment).
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
    for (std::size_t i = 0; i <= a.size(); ++i) {
        for (std::size_t j = 0; j <= b.size(); ++j) {
            if (i == 0 || j == 0) {
                d[i][j] = i + j;
                continue;
            }
            d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
        }
    }
    return d[a.size()][b.size()];
}

} // namespace

std::optional<std::string> nearest(std::string_view word, const std::set<std::string>& candidates) {
    std::optional<std::string> best;
    if (word.size() > 64) // no word of ours is so long
        return best;
    std::size_t least = 1 + word.size() / 3; // with more errors it is another word
    for (const std::string& candidate : candidates) {
        const std::size_t d = distance(word, candidate);
        if (d <= least && (!best || d < least)) {
            least = d;
            best = candidate;
        }
    }
    return best;
}

std::string did_you_mean(std::string_view word, const std::set<std::string>& candidates) {
    const auto meant = nearest(word, candidates);
    return meant ? "did you mean " + in_quotes(*meant) + "?" : "";
}

} // namespace xk
