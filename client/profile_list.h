// SPDX-License-Identifier: MIT
//
// All profiles of a directory, and what may be meant where none is for a host.
#pragma once

#include "client/profile.h"
#include "protocol/base/result.h"

#include <string>
#include <vector>

namespace xk::client {

struct ListedProfile {
    std::string file;
    Result<Profile> profile; // or why it is refused
};

// Ordered by file name. An error where the directory cannot be read.
Result<std::vector<ListedProfile>> list_profiles(const std::string& directory);

// The error of a search that found nothing: files that were refused are named with the reason, because one of them may
// be the right one, and a host with a similar name is proposed.
Error no_profile_for(const std::string& directory, const std::string& host);

} // namespace xk::client
