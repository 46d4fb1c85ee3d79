// SPDX-License-Identifier: MIT
//
// A file of users/ describes one user and their rights (docs/configuration.md, "Users"). UserFile holds what the file
// says. Omitted keys are defaults here, so that a written file is read as the same UserFile.
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
    std::optional<std::chrono::seconds> longest; // none: an hour, or `first` if that is longer
    std::uint32_t most = 50;

    bool operator==(const LockoutFile&) const = default;
};

struct UserFile {
    std::string name;
    std::vector<std::string> services; // the one word "all": every service that there is, also those of later
    bool enabled = true;
    authz::Binding binding = authz::Binding::any;
    std::vector<authz::KnockMode> modes;   // empty: packets alone
    std::vector<Prefix> networks;          // empty: anywhere
    std::vector<Prefix> explicit_networks; // empty: any address
    std::vector<WeekHours> hours;          // empty: always
    LockoutFile lockout;
    std::chrono::seconds lifetime{0}, max_lifetime{0}; // 0: the service's
    std::optional<WallTime> valid_from, valid_until;

    bool operator==(const UserFile&) const = default;
};

// An error if there is no service of this name, with a similar name as its hint.
using CheckService = std::function<Result<void>(std::string_view)>;

// Faults go to the section's list.
UserFile read_user_file(yaml::Section& section, const CheckService& check_service);

// The text of the file. An error if the user breaks a rule of the format, because the reader would refuse it.
Result<std::string> user_file_text(const UserFile& user, std::string_view head = {});

inline bool has_all_services(const UserFile& user) {
    return user.services.size() == 1 && user.services.front() == kAllServices;
}

// The rights that the user's credentials inherit. The caller sets id, device, factor and services.
authz::Credential rights_of(const UserFile& user);

} // namespace xk::config
