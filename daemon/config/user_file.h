// SPDX-License-Identifier: MIT
//
// A file of users/: one user and their rights, as it is written (docs/configuration.md, "Users"). UserFile has what
// the file says; what it leaves out is a default here, so that the file read again is the same.
#pragma once

#include "daemon/authz/policy.h"
#include "daemon/config/week_hours.h"
#include "protocol/base/address.h"
#include "protocol/base/clock.h"
#include "protocol/base/result.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace xk::yaml {
class Section;
}

namespace xk::config {

struct LockoutFile {
    std::uint32_t free = 5;
    std::chrono::seconds first{30};
    std::optional<std::chrono::seconds> longest; // none: an hour, or `first` where that is longer
    std::uint32_t most = 50;

    bool operator==(const LockoutFile&) const = default;
};

struct UserFile {
    std::string name;
    std::vector<std::string> services;
    bool enabled = true;
    authz::Binding binding = authz::Binding::any;
    std::vector<Prefix> networks;          // empty: anywhere
    std::vector<Prefix> explicit_networks; // empty: anybody
    std::vector<WeekHours> hours;          // empty: always
    LockoutFile lockout;
    std::chrono::seconds lifetime{0}, max_lifetime{0}; // 0: the service's
    std::optional<WallTime> valid_from, valid_until;

    bool operator==(const UserFile&) const = default;
};

// Whether there is a service of this name: an error says what may have been meant.
using CheckService = std::function<Result<void>(std::string_view)>;

// Faults go to the section's own.
UserFile read_user_file(yaml::Section& section, const CheckService& check_service);

// The file's text. An error where the user breaks a rule of the format: the reader would refuse them.
Result<std::string> user_file_text(const UserFile& user, std::string_view head = {});

// What judgement needs of it: everything but id, device and factor, and `services`, whose numbers the caller knows.
authz::Credential rights_of(const UserFile& user);

} // namespace xk::config
