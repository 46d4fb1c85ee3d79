// SPDX-License-Identifier: MIT
//
// Rulesets that are loaded at boot. One that was saved whole has our table in it, with the grants,
// bans and ports of that day: loading it opens yesterday's pinholes.
#pragma once

#include "tools/knockctl/doctor/finding.h"

#include <string>
#include <vector>

namespace xk::tools {

void check_saved_rulesets(Findings& findings);

// Where a file of nft(8) names table "inet xknock": the line, and whether it puts something into it
// or takes it away.
struct Mention {
    unsigned line;
    bool adds;
    std::string text; // "table inet xknock", "element inet xknock grants4"
};
struct SavedRuleset {
    std::vector<Mention> mentions; // the first of each kind
    std::vector<std::string> includes;
};
SavedRuleset read_saved_ruleset(const std::string& text);

} // namespace xk::tools
