// SPDX-License-Identifier: MIT
//
// knockctl ban and unban.
#pragma once

#include "tools/knockctl/control.h"

#include <string>

namespace xk::tools {

struct BanOptions {
    std::string what;        // address or network
    bool from_input = false; // what standard input names instead
    std::string time;        // empty: for ever
    std::string reason;
    bool has_reason = false;
    unsigned ipv6_prefix = 128;
    bool all = false;
    std::string family;
};

int run_ban(const Control& control, const BanOptions& options);
int run_unban(const Control& control, const BanOptions& options);

} // namespace xk::tools
