// SPDX-License-Identifier: MIT
//
// What a command line means: its profile, its host, its request and its service.
#pragma once

#include "client/arguments.h"
#include "client/knock.h"
#include "client/profile.h"
#include "protocol/base/result.h"

#include <string>
#include <vector>

namespace xk::client {

// The profile of the command line, with what the user's own settings say of it.
Result<Profile> profile_for(const Arguments& a);

// Host as it can be connected to. What chose the profile without being one of its hosts is an alias, its name or that
// of its file, and does not resolve.
std::string host_of(const Arguments& a, const Profile& profile);

Result<RequestSpec> request_spec_of(const Arguments& a);

// The service of the command line, or the profile's own: "tcp/22" or a name. A bare number is a TCP port. Its endpoints
// come back; none if they say nothing of whether it is open. Where the profile lists services, a name that is not among
// them is a fault.
Result<std::vector<Endpoint>> choose_service(const Arguments& a, const Profile& profile, RequestSpec& spec);

} // namespace xk::client
