// SPDX-License-Identifier: MIT
//
// Opens a connection to the port. Where nobody types, knock and first attempt go out together; where a person types,
// the port is tried first and beside the question. A closed port is silent, so a connection that stands is the only
// sign of success.
#pragma once

#include "client/addresses.h"
#include "client/attempts.h"
#include "client/code_source.h"
#include "client/knock.h"
#include "client/profile.h"
#include "client/story.h"
#include "protocol/base/fd.h"
#include "protocol/base/result.h"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace xk::client {

struct Connected {
    Fd fd;
    Place address;
    bool knocked = false;
    std::chrono::microseconds since_knock{0}; // from the first packet sent
};

// Connects to `port`. From the first knock on it takes the profile's `wait` at most, for all addresses together; where
// codes come without a person, and the present one may have been used, after the next half minute has begun. A person
// is asked again where his code did not open in a second and a half. Where knock and connection go to two hosts, the
// knock takes the family of the connection.
Result<Connected> knock_and_connect(const Profile& profile, const RequestSpec& spec, const std::string& host,
                                    std::uint16_t port, CodeSource& codes, const Story& story);

} // namespace xk::client
