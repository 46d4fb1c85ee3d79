// SPDX-License-Identifier: MIT
//
// Users and groups of this host that a configuration names.
#pragma once

#include "protocol/base/result.h"

#include <sys/types.h>

#include <string>
#include <string_view>

namespace xk::config {

struct Account {
    std::string name; // as the configuration has it, maybe a number; for messages
    uid_t uid = 0;
    gid_t gid = 0;

    // A name and its number are the same user.
    bool operator==(const Account& other) const { return uid == other.uid && gid == other.gid; }
};

// A user by name or number, with their primary group.
Result<Account> find_account(std::string_view name);

// A group by name or number.
Result<gid_t> find_group(std::string_view name);

} // namespace xk::config
