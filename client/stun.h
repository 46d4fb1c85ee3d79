// SPDX-License-Identifier: MIT
//
// STUN (RFC 8489): a server elsewhere says which address it sees us come from, so that a knock from behind a NAT can
// name that address. The answer is not authenticated. Whoever guesses gets nowhere: the answer carries 96 random bits
// of the question, and a knock that names a wrong address is refused. But somebody on the path to the STUN server can
// answer with his own address, and use the knock from there if he is on the path to the server too. So against him a
// knock with such an address is worth as much as one that names none.
#pragma once

#include "client/addresses.h"
#include "protocol/base/bytes.h"

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace xk::client {

// A login behind NAT waits so long for an answer.
inline constexpr std::chrono::milliseconds kStunPatience{500};

using StunId = Bytes<12>; // of a transaction
using StunRequest = Bytes<20>;

StunRequest stun_request(const StunId& id);
// The address in the XOR-MAPPED-ADDRESS of a success response to this request. Nothing for anything else.
std::optional<Address> stun_answer(std::span<const std::uint8_t> message, const StunId& id);

// Asks "HOST" or "HOST:PORT" (3478), from `local`, of the same family. Nothing when no answer comes in this time.
std::optional<Address> ask_stun(const std::string& server, const Address& local, std::chrono::milliseconds time,
                                const LookUp& look_up = resolve);

// The server's addresses: resolve(), but a login waits no longer for a name server than for the STUN server itself.
Result<std::vector<Place>> resolve_soon(const std::string& host, Family family);

// "stun.example.net:3479", "[2001:db8::1]:3479", or one of them without a port.
std::optional<std::pair<std::string, std::uint16_t>> stun_server(const std::string& text);

} // namespace xk::client
