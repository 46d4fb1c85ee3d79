// SPDX-License-Identifier: MIT
//
// Sessions that were ended stay ended: sets "ended4" and "ended6", and the rules that look them up. It is not enough
// that connection tracking forgets a session: it takes the service's next packet for the first one of a new session
// (nf_conntrack_tcp_loose), in which the service has begun and the other end answers, so that both pass.
//
//   set ended4     source . target . protocol . source port . target port, both directions of a session
//   chain ended    for packets without a session: a SYN or RST returns, so that the same ports can serve a new
//                  connection; a packet of an ended session goes to "over", and its element's time begins again
//   chain over     resets TCP, so that both ends learn of it; drops the rest
//   chain output   sends this host's own packets without a session to "ended"
//
// A packet of a session that exists costs one rule in "output", and none where it comes in.
#pragma once

#include "daemon/nft/element.h"
#include "daemon/nft/tuple.h"

#include <chrono>
#include <vector>

namespace xk::nft {

inline constexpr const char* kEndedChain = "ended";
inline constexpr const char* kOverChain = "over";
inline constexpr const char* kOutputChain = "output";

// Longer than connection tracking keeps an idle session (five days: nf_conntrack_tcp_timeout_established).
inline constexpr std::chrono::hours kEndedFor{7 * 24};
// Most sessions in the sets. Each has two elements, and a set holds 65535.
inline constexpr std::size_t kMostEnded = 30000;

SetName ended_set(bool v4);
// source . target . protocol . source port . target port: 20 bytes for IPv4, 44 for IPv6.
std::vector<std::uint8_t> tuple_key(const Tuple& tuple);

// The two tuples of a session, as Session (sessions.h) has them.
struct EndedSession {
    Tuple there, back;
    auto operator<=>(const EndedSession&) const = default;
};

void put_ended(Transaction& transaction, const EndedSession& session);
void remove_ended(Transaction& transaction, const EndedSession& session);
void clear_ended(Transaction& transaction);
// The sessions that put_ended() wrote. Elements that somebody else added are left out.
Result<std::vector<EndedSession>> list_ended(Sets& sets);

// Granted flows that connection tracking does not follow (notrack), by the tuple of the packets that come in: sets
// "flows4" and "flows6". The packet path fills them.
SetName flows_set(bool v4);
Result<std::vector<Tuple>> list_flows(Sets& sets);
void remove_flow(Transaction& transaction, const Tuple& flow);

// Appends the rules to the chains, which are empty. `resets`: see RulesetSpec.
void add_ended_rules(Transaction& transaction, bool resets);

} // namespace xk::nft
