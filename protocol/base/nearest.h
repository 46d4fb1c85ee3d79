// SPDX-License-Identifier: MIT
//
// "Did you mean …?": the known word that somebody misspelt.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

namespace xk {

// The candidate that is nearest to `word` by the number of typing errors. Nothing where none is near enough to be
// meant.
std::optional<std::string> nearest(std::string_view word, const std::set<std::string>& candidates);

// `did you mean "gate"?`, or nothing.
std::string did_you_mean(std::string_view word, const std::set<std::string>& candidates);

} // namespace xk
