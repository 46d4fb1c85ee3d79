// SPDX-License-Identifier: MIT
//
// Finding: one thing that the doctor looked at, how bad it is, and what to do.
#pragma once

#include <string>
#include <vector>

namespace xk::tools {

enum class Severity {
    ok,      // examined, and good
    advice,  // it works and could be better, or the doctor cannot know
    problem, // somebody is kept out, or let in, who should not be
};

struct Finding {
    Severity severity;
    std::string check; // what was looked at, one word: "firewall", "interface", ...
    std::string message;
    std::string hint; // what the operator can do; empty where all is well
};

using Findings = std::vector<Finding>;

} // namespace xk::tools
