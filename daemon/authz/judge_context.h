// SPDX-License-Identifier: MIT
//
// Context: a record on its way through the steps. Only the judge's own files include this.
#pragma once

#include "daemon/authz/judge.h"

#include <array>

namespace xk::authz {

// Each step adds what the next ones need.
struct Judge::Context {
    const Record& record;
    const Now& now;
    WallTime arrived; // wall time of the record's arrival: a knock does not become stale while it waits
    std::optional<std::uint32_t> index{}; // of the credential, once its key is proved
    Claim claim{};
    bool is_proved = false;                                // the claim is whole: the request could be read
    Address address{};                                     // that the request is for
    std::optional<CodeStep> step{};                        // of the code, which is right
    std::array<ReplayEntry*, ReplayKeys::kMost> entries{}; // of its replay keys, once they are remembered
    Progress progress = Progress::judged;                  // what the entries become
};

} // namespace xk::authz
