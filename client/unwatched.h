// SPDX-License-Identifier: MIT
//
// A request whose port is not tried: to close, to test, and to open what cannot be tried. Addresses and address modes
// are those of a connection (ways.h). Nobody sees whether the first mode was right, so both are sent where both may be.
#pragma once

#include "client/knock.h"
#include "client/profile.h"
#include "client/story.h"
#include "client/ways.h"
#include "protocol/base/result.h"

#include <functional>
#include <string>
#include <vector>

namespace xk::client {

struct UnwatchedCode {
    std::function<Result<std::string>()> next;             // asked for when a packet can leave; empty without a code
    std::function<void(const std::string& code)> was_sent; // with at least one packet
    // As CodeSource::server_is_ahead().
    std::function<void(std::chrono::microseconds)> server_is_ahead;
};

// Sends the request and its copy, and does not wait for the port. A request to close goes to every address, because the
// grant may be for any of our addresses; others go to the first address of each family. `look_up` finds the host and
// the profile's server, `look_up_stun` its STUN server. By handshake it waits for the server's answers, by `wait`, and
// it is an error where none comes.
Result<void> knock_unwatched(const Profile& profile, const RequestSpec& spec, const std::string& host,
                             const UnwatchedCode& code, const Story& story, const LookUp& look_up = resolve,
                             const LookUp& look_up_stun = resolve_soon, const Wait& wait = wait_for_packet);

// find_ways(), or the ways to the profile's server: knocks may go to a host that has an address, for another one that
// only they who are inside can look up.
Result<std::vector<Way>> find_unwatched_ways(const Profile& profile, const RequestSpec& spec, const std::string& host,
                                             const LookUp& look_up = resolve);

// Of the ways whose packet can leave those that such a request takes.
std::vector<Way> unwatched_ways(std::vector<Way> ways, const RequestSpec& spec, bool is_gateway);

} // namespace xk::client
