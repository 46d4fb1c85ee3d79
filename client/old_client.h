// SPDX-License-Identifier: MIT
//
// What the files of other clients say: capyknock's client file, and fwknop's ~/.fwknoprc. Their keys are of other
// protocols; what is left for a profile is where to knock, what for, and for how long.
#pragma once

#include "protocol/base/result.h"
#include "protocol/profile/profile_file.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace xk::client {

// A setting without an equivalent, and why. Its value may be a secret, and is not kept.
struct WithoutEquivalent {
    std::string key, why;
};

struct OldClient {
    std::string title;                            // to call it by
    std::string alias;                            // fwknop's name of the stanza; empty: none
    std::vector<std::string> hosts;               // the first is where it knocked
    std::string service;                          // "tcp/22", "tcp/22@203.0.113.7"; empty: none
    std::optional<std::chrono::seconds> lifetime; // none: the server's default
    std::optional<NatPolicy> nat;                 // none: what the client finds out
    std::vector<WithoutEquivalent> without;
};

// One for each stanza; "[default]" is part of each. `file` is for faults. Exit::configuration where it is no such file.
Result<std::vector<OldClient>> read_fwknoprc(std::string_view text, const std::string& file);
Result<OldClient> read_capyknock(std::string_view text, const std::string& file);

} // namespace xk::client
