// SPDX-License-Identifier: MIT
//
// Sends a sequence of ports, and looks whether it opened one.
#pragma once

#include "client/connect.h"
#include "client/sequence_plan.h"
#include "client/story.h"
#include "client/ways.h"
#include "protocol/base/result.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

namespace xk::client {

// One SYN that is not repeated. An Error where it could not leave.
Result<void> send_syn(const Place& server, std::uint16_t port, const std::optional<Address>& local);

// Knocks at the server of each way, from the way's own address of ours: at all servers with the first port, then with
// the second one after the pause, and so on. Every way has its Knock, which only says the two addresses. By TCP no SYN
// is repeated. Ways on which a port cannot be sent are taken away; an error where none is left.
Result<void> send_sequence(std::vector<Way>& ways, const std::vector<std::uint16_t>& ports,
                           std::chrono::milliseconds pause, SequenceBy by, const Story& story);

// Tries the TCP port at the targets of the ways for `time` at most. The first connection that stands, or nothing; then
// `happened` of the ways says more. `since_knock` counts from the call.
std::optional<Connected> await_port(std::vector<Way>& ways, std::uint16_t port, std::chrono::milliseconds time,
                                    const Story& story);

} // namespace xk::client
