// SPDX-License-Identifier: MIT
//
// Why no connection came by a knock while the gate was on trial, by the daemon's counters.
#pragma once

#include "protocol/base/address.h"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace xk::tools::setup {

struct Course {
    nlohmann::json before, after;    // replies of the verb "stats", at the beginning and at the end
    std::vector<std::string> opened; // "ssh for 192.0.2.2 by anna/laptop"
    std::set<Address> allowed;       // connections that needed no knock
    std::uint16_t port = 0;          // of knocks
};

// Some lines, without the end of the last one.
std::string why_nothing_came(const Course& course);

} // namespace xk::tools::setup
