// SPDX-License-Identifier: MIT
//
// The user's own settings: ~/.config/xknock/config.yaml. What makes knock-client run a program stands here and never in
// a profile, because profiles come from others.
#pragma once

#include "client/profile.h"
#include "protocol/base/result.h"

#include <string>

namespace xk::client {

inline constexpr const char* kSettingsName = "config.yaml"; // no profile is called so

// Adds to the profile what the settings in `directory` say of it: by the file's name without .yaml where the profile
// lies in that directory, by its absolute path anywhere. Without settings the profile stays as it is.
Result<void> apply_settings(const std::string& directory, Profile& profile);

} // namespace xk::client
