// SPDX-License-Identifier: MIT
//
// Puts a profile that came from somewhere into the directory of profiles. Nothing is written that knock-client would
// not read, and no other profile is replaced, or shares its hosts, unless that is wanted.
#pragma once

#include "client/profile.h"
#include "protocol/base/result.h"

#include <string>
#include <string_view>

namespace xk::client {

struct StoreRequest {
    std::string directory;
    std::string name; // of the file, without .yaml
    bool force = false;
};

struct StoredProfile {
    std::string file;
    Profile profile;
    bool was_there = false; // the same text, from an earlier time
    std::string rival;      // the file of another profile for the same hosts, with `force`; or empty
};

// Whether a file may be called so: a host name, an address or an alias. "config" is the file of the user's settings.
bool is_profile_name(std::string_view name);

// The file has mode 0600 and is on the disk when this returns. After an error there is nothing of it.
Result<StoredProfile> store_profile(std::string_view text, const StoreRequest& request);

} // namespace xk::client
