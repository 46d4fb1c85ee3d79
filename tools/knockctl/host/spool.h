// SPDX-License-Identifier: MIT
//
// The spool, where a profile waits for the person who fetches it ("knock-client enroll LOGIN@HOST"):
//   SPOOL               root's, mode 0711: everybody may pass, and nobody else may list it
//   SPOOL/LOGIN         of that login, mode 0700
//   SPOOL/LOGIN/DEVICE.yaml  of that login, mode 0600
// A profile holds a key. So the login may read it, and remove it when it was fetched, and other logins may not.
#pragma once

#include "protocol/base/result.h"

#include <string>
#include <string_view>

namespace xk::tools {

inline constexpr const char* kSpool = "/var/spool/xknock";

// What becomes of a profile of the same name that nobody has fetched yet.
enum class Unfetched { keep, replace };

// Whether this host has an account of this name that may have a profile in the spool. Error: what is wrong with it.
Result<void> check_login(const std::string& login);

// Puts the profile there, on the disk, and makes the directories. Returns its path. Root only. With Unfetched::keep a
// profile that waits there already is an error. A failure leaves no part of the profile.
Result<std::string> put_into_spool(const std::string& spool, const std::string& login, const std::string& device,
                                   std::string_view profile, Unfetched unfetched);

// The path that put_into_spool() would use.
std::string spool_path(const std::string& spool, const std::string& login, const std::string& device);

} // namespace xk::tools
