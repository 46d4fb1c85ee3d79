// SPDX-License-Identifier: MIT
//
// What xknockd and xknock-worker say to each other: one fixed struct for each type, nothing of variable
// length. The worker is not trusted by xknockd, so every one of its messages is checked for size and range
// before anything is done, and each request is judged again (gate::permit_open).
//
//   to the worker                          to xknockd
//   Setup      ids, ring, state            Ready       sandboxed; nothing hostile was read before
//   NewPolicy  a configuration begins      Prepared    keys are read, or which one is wrong
//   Secrets    descriptors, one credential
//   Prepare    the configuration is whole
//   Activate   judge by it from now on     Tags        what the filter is to let through
//   Ban, Unban                             DoorAsk     open, close, close all
//   DoorAnswer, DoorDone
//   Unlock, AcceptClock, Panic             Notice      something that the operator is to know
//   Ping                                   Pong
#pragma once

#include "daemon/gate/firewall.h"
#include "daemon/gate/policy.h"
#include "daemon/privsep/channel.h"

#include <cstring>
#include <type_traits>

namespace xk::privsep {

enum class Type : std::uint32_t {
    setup = 1,
    new_policy,
    secrets,
    prepare,
    activate,
    ban,
    unban,
    door_answer,
    unlock,
    accept_clock,
    ping,
    door_done,
    panic,
    // from the worker
    ready = 101,
    prepared,
    tags,
    door_ask,
    notice,
    pong,
};

// Descriptors: the ring's map, the state file, the copy of the state (at its end: none).
struct Setup {
    static constexpr Type kType = Type::setup;
    Type type = kType;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint32_t has_copy = 0;
    Bytes<16> boot_id{};
    std::int64_t skew = 0;          // seconds
    std::int64_t earliest_wall = 0; // us: a clock below this is known to be wrong
};

// Descriptor: a sealed memory file with `services` gate::Service and then `credentials` gate::Credential.
struct NewPolicy {
    static constexpr Type kType = Type::new_policy;
    Type type = kType;
    std::uint32_t services = 0;
    std::uint32_t credentials = 0;
    std::uint32_t generation = 0; // the worker says with its tags which configuration they are of
    gate::Settings settings;
};

// Descriptors: the file with the credential's key and, where it has a factor, the file with the factor's secret.
struct Secrets {
    static constexpr Type kType = Type::secrets;
    Type type = kType;
    std::uint32_t credential = 0;
};

struct Prepare {
    static constexpr Type kType = Type::prepare;
    Type type = kType;
};

struct Activate {
    static constexpr Type kType = Type::activate;
    Type type = kType;
};

struct Ban {
    static constexpr Type kType = Type::ban;
    Type type = kType;
    std::uint32_t for_ever = 0;
    Prefix prefix;
    std::int64_t until = 0; // boot time, ns
};

struct Unban {
    static constexpr Type kType = Type::unban;
    Type type = kType;
    Prefix prefix;
};

struct DoorAnswer {
    static constexpr Type kType = Type::door_answer;
    Type type = kType;
    std::uint32_t sequence = 0;
    gate::Answer answer = gate::Answer::failed;
};

// What a DoorAnswer called waiting has come about. Where it has not, nothing is said.
struct DoorDone {
    static constexpr Type kType = Type::door_done;
    Type type = kType;
    std::uint32_t sequence = 0;
};

// Forget a credential's wrong codes.
struct Unlock {
    static constexpr Type kType = Type::unlock;
    Type type = kType;
    std::uint32_t credential = 0;
};

// The operator says that the wall clock is right.
struct AcceptClock {
    static constexpr Type kType = Type::accept_clock;
    Type type = kType;
};

// The operator's panic: while it is on nobody is let in.
struct Panic {
    static constexpr Type kType = Type::panic;
    Type type = kType;
    std::uint32_t on = 0;
};

struct Ping {
    static constexpr Type kType = Type::ping;
    Type type = kType;
    std::uint32_t number = 0;
};

struct Ready {
    static constexpr Type kType = Type::ready;
    Type type = kType;
    std::uint32_t begin = 0; // gate::State::Begin, or kResumed
};
inline constexpr std::uint32_t kResumed = 3;

enum class SecretFault : std::uint32_t { none = 0, key, factor, memory };
struct Prepared {
    static constexpr Type kType = Type::prepared;
    Type type = kType;
    SecretFault fault = SecretFault::none;
    std::uint32_t credential = 0; // that has the fault
    std::uint32_t unlocked_memory = 0; // 1: RLIMIT_MEMLOCK forbids locking the keys
};

inline constexpr std::size_t kTagsInMessage = 200;
struct TagRecord {
    wire::Tag tag;
    Bytes<wire::kMacKeySize> mac_key;
    std::uint64_t slot;
    std::int64_t not_before; // boot time, ns
    std::int64_t expires;
    std::uint32_t credential;
    std::uint32_t pad;
};
struct Tags {
    static constexpr Type kType = Type::tags;
    Type type = kType;
    std::uint32_t first = 0; // 1: begins a publication that replaces all others
    std::uint32_t last = 0;  // 1: ends it
    std::uint32_t count = 0;
    std::uint32_t generation = 0;
    TagRecord tags[kTagsInMessage];
};

enum class DoorVerb : std::uint32_t { open = 1, close, close_all };
struct DoorAsk {
    static constexpr Type kType = Type::door_ask;
    Type type = kType;
    std::uint32_t sequence = 0;
    DoorVerb verb = DoorVerb::open;
    wire::CredentialId credential{}; // counts instead of the index in the request, which a reload may have moved
    gate::DoorRequest request;
};

enum class NoticeKind : std::uint32_t {
    clock_wrong = 1, // no tags are published: the wall clock is behind what it was, or behind the release
    clock_right,
    locked_for_good, // the credential had too many wrong codes
};
struct Notice {
    static constexpr Type kType = Type::notice;
    Type type = kType;
    NoticeKind kind = NoticeKind::clock_right;
    std::uint32_t credential = 0;
};

struct Pong {
    static constexpr Type kType = Type::pong;
    Type type = kType;
    std::uint32_t number = 0;
};

template <typename M>
Result<void> send(const Channel& channel, const M& message, std::span<const int> fds = {}) {
    static_assert(std::is_trivially_copyable_v<M> && sizeof(M) <= kMaxMessage);
    return channel.send({reinterpret_cast<const std::uint8_t*>(&message), sizeof message}, fds);
}

// The type of a message; 0 when it is too short to have one.
inline Type type_of(const Received& received) {
    Type type{};
    if (received.bytes.size() >= sizeof type)
        std::memcpy(&type, received.bytes.data(), sizeof type);
    return type;
}

// The message, if it is of this type and of exactly its size.
template <typename M>
std::optional<M> as(const Received& received) {
    static_assert(std::is_trivially_copyable_v<M>);
    if (received.bytes.size() != sizeof(M))
        return std::nullopt;
    M message;
    std::memcpy(static_cast<void*>(&message), received.bytes.data(), sizeof message);
    if (message.type != M::kType)
        return std::nullopt;
    return message;
}

} // namespace xk::privsep
