// SPDX-License-Identifier: MIT
//
// Sessions that were ended stay so: sets "ended4" and "ended6", and the rules that look there. To make connection
// tracking forget a session is not enough: the next packet of the service's own is taken up as the first of another
// session (nf_conntrack_tcp_loose), in which the service is who began and the other end answers, so that it is let in.
//
//   set ended4     source . target . protocol . source port . target port, both directions of a session
//   chain ended    of what belongs to no session that exists: what begins a TCP connection passes, so that the same
//   ports
//                  serve a new one; a packet of an ended session goes to "over", and is remembered for as long anew
//   chain over     TCP is reset, which tells both ends; all else drops
//   chain output   the same for this host's own packets
//
// A packet of a session that exists pays one rule in "output", and none where it comes in.
#pragma once

#include "daemon/nft/element.h"
#include "daemon/nft/tuple.h"

#include <chrono>
#include <vector>

namespace xk::nft {

inline constexpr const char* kEndedChain = "ended";
inline constexpr const char* kOverChain = "over";
inline constexpr const char* kOutputChain = "output";

// More than the five days for which connection tracking remembers a session that says nothing.
inline constexpr std::chrono::hours kEndedFor{7 * 24};
// Sessions in the sets: two elements each, and fewer than the sets take.
inline constexpr std::size_t kMostEnded = 30000;

SetName ended_set(bool v4);
// source . target . protocol . source port . target port: 20 bytes for IPv4, 44 for IPv6.
std::vector<std::uint8_t> tuple_key(const Tuple& tuple);

struct EndedSession {
    Tuple there, back;
    auto operator<=>(const EndedSession&) const = default;
};

void put_ended(Transaction& transaction, const EndedSession& session);
void remove_ended(Transaction& transaction, const EndedSession& session);
void clear_ended(Transaction& transaction);
// Those that put_ended() wrote. Elements of somebody else's are none.
Result<std::vector<EndedSession>> list_ended(Sets& sets);

// Flows that were granted and that connection tracking does not follow (notrack), as their packets come in: sets
// "flows4" and "flows6", which the packet path fills.
SetName flows_set(bool v4);
Result<std::vector<Tuple>> list_flows(Sets& sets);
void remove_flow(Transaction& transaction, const Tuple& flow);

// Whether the kernel sends resets where packets come in (Linux 5.9). Tried, because versions say little.
bool can_reset(Socket& socket);

// Where the table is made: the rules of the chains.
void add_ended_rules(Transaction& transaction, bool resets);

} // namespace xk::nft
