// SPDX-License-Identifier: MIT
//
// Way: one address that the connection may go to, and the address that its knock goes to.
#pragma once

#include "client/addresses.h"
#include "client/knock.h"
#include "client/profile.h"
#include "client/story.h"
#include "client/stun.h"
#include "protocol/base/result.h"

#include <optional>
#include <string>
#include <vector>

namespace xk::client {

struct Way {
    Place target;
    std::optional<Knock> knock; // none: no packet can be sent, and `happened` says why
    Happened happened;
    std::optional<Address> seen; // our address on this way, as the STUN server sees it
    // An answer came that says that this address does not serve: the next one has its turn at once.
    bool is_decided = false;
    bool is_over = false;                              // its last word: nothing that is sent changes it
    std::optional<Attempts::Clock::time_point> packet; // the last one that was sealed
    Attempts::Clock::duration silence{};               // the longest of an attempt before the knock
};

// The ways to the host, in the order in which they are tried. An error when the host or the server has no address.
Result<std::vector<Way>> find_ways(const Profile& profile, const RequestSpec& spec, const std::string& host,
                                   const LookUp& look_up = resolve);

// Through a gateway a port means the port of the host behind it.
RequestSpec for_target(const Profile& profile, RequestSpec spec, const Address& target);

wire::RequestId new_request_id();

// Knock::prepare(), and an error for a link-local address: no server opens a port for one.
Result<Knock> prepare_knock(const Profile& profile, const RequestSpec& spec, const Place& server);

// Gives each way its request. With one-time codes all have one request id, so that one code serves both families.
void prepare_knocks(const Profile& profile, RequestSpec spec, const std::string& host, std::vector<Way>& ways,
                    const LookUp& look_up = resolve);

// Asks the profile's STUN server, if it names one, for the ways whose requests would name no address of ours. No answer
// leaves them as they are.
void learn_our_address(const Profile& profile, std::vector<Way>& ways, const Story& story,
                       const LookUp& look_up = resolve_soon);

// The error where no way has a request.
Error no_way(const std::vector<Way>& ways);

// Whether knocks go to another host than the connection.
bool goes_elsewhere(const Profile& profile, const std::string& host);

} // namespace xk::client
