// SPDX-License-Identifier: MIT
//
// What xknockd and xknock-worker say to each other: one fixed struct for each type, nothing of variable
// length. The worker is not trusted by xknockd, so every one of its messages is checked for size and range
// before anything is done, and each request is judged again (authz::permit_open).
//
// The worker's messages are plain integers, of which every value is a valid one (loading a bool that is neither 0 nor 1
// is undefined behaviour); checked() makes them what they mean, or nothing.
//
//   to the worker                          to xknockd
//   Setup      ids, ring, state            Ready       sandboxed; nothing hostile was read before
//   NewPolicy  what changes of a policy    SecretsRead whose secrets are to come next, and which were wrong
//   Secrets    descriptors, a few credentials
//   Activate   judge by it from now on     Tags        what the filter is to let through
//   Ban, Unban                             RequestGrant     open, close, close all
//   ReplyGrant, GrantCommitted
//   Unlock, AcceptClock, Panic             Notice      something that the operator is to know
//   RaiseHorizon                             HorizonRaised it counts for every knock from here on
//   Ping                                   Pong
#pragma once

#include "daemon/authz/firewall.h"
#include "daemon/authz/policy.h"
#include "daemon/privsep/channel.h"

#include <cstring>
#include <type_traits>

namespace xk::privsep {

enum class Type : std::uint32_t {
    setup = 1,
    new_policy,
    secrets,
    activate,
    ban,
    unban,
    reply_grant,
    unlock,
    accept_clock,
    ping,
    grant_committed,
    panic,
    raise_horizon,
    // from the worker
    ready = 101,
    secrets_read,
    tags,
    request_grant,
    notice,
    pong,
    horizon_raised,
};

// Descriptors: the ring's map, the state file, the copy of the state, the state file of another layout to go on from
// (of the last two: where the message says so).
struct Setup {
    static constexpr Type kType = Type::setup;
    Type type = kType;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint32_t has_copy = 0;
    Bytes<16> boot_id{};
    std::int64_t skew = 0;            // seconds
    std::int64_t earliest_wall = 0;   // us: a clock below this is known to be wrong
    std::uint64_t replay_entries = 0; // that the state file has
    std::uint32_t has_previous = 0;
    std::uint32_t pad = 0;
};

// An authz::PolicyChange, to what the worker judges by. Descriptor: a sealed memory file with its parts
// (policy_file.h).
struct NewPolicy {
    static constexpr Type kType = Type::new_policy;
    Type type = kType;
    std::uint32_t places = 0;
    std::uint32_t services = 0;
    std::uint32_t changed = 0;    // credentials; their secrets are read anew
    std::uint32_t emptied = 0;    // places
    std::uint32_t generation = 0; // the worker says with its tags which configuration they are of
    std::uint32_t base = 0;       // the generation that this is a change of; 0: of nothing
    authz::Settings settings;
};

// Of `count` changed credentials from the one with the index `first` on. Descriptors, for each: the file with its key
// and, where it has a factor, the file with the factor's secret. The worker asks for them (SecretsRead), so that there
// are never more in the socket than these, however many credentials there are and whatever both do meanwhile.
inline constexpr std::uint32_t kSecretsAtOnce = 16;
static_assert(2 * kSecretsAtOnce <= kMaxFds);
struct Secrets {
    static constexpr Type kType = Type::secrets;
    Type type = kType;
    std::uint32_t first = 0;
    std::uint32_t count = 0;
    std::uint32_t without = 0; // bit n: credential first + n has no files here, because they cannot be opened
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

struct ReplyGrant {
    static constexpr Type kType = Type::reply_grant;
    Type type = kType;
    std::uint32_t sequence = 0;
    authz::Answer answer = authz::Answer::failed;
};

// What a ReplyGrant called waiting has come about, or could not.
struct GrantCommitted {
    static constexpr Type kType = Type::grant_committed;
    Type type = kType;
    std::uint32_t sequence = 0;
    std::uint32_t failed = 0; // 1: it could not
};

// Forget a credential's wrong codes.
struct Unlock {
    static constexpr Type kType = Type::unlock;
    Type type = kType;
    wire::CredentialId credential{};
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

// Knocks of before may have been accepted where we do not remember them.
struct RaiseHorizon {
    static constexpr Type kType = Type::raise_horizon;
    Type type = kType;
};
struct HorizonRaised {
    static constexpr Type kType = Type::horizon_raised;
    Type type = kType;
};

struct Ping {
    static constexpr Type kType = Type::ping;
    Type type = kType;
    std::uint32_t number = 0;
};

struct Ready {
    static constexpr Type kType = Type::ready;
    Type type = kType;
    std::uint32_t begin = 0; // authz::State::Begin, or one of those below
    std::uint32_t fit = 0;   // authz::StateFit: of kUnreadable, why
};
inline constexpr std::uint32_t kResumed = 3;
inline constexpr std::uint32_t kTakenOver = 4;  // from the state file of another layout
inline constexpr std::uint32_t kUnreadable = 5; // what should be gone on from; the worker ends

// The answer to NewPolicy and to each Secrets. Whoever had bad secrets, or none, is disabled.
struct SecretsRead {
    static constexpr Type kType = Type::secrets_read;
    Type type = kType;
    std::uint32_t generation = 0; // of the NewPolicy
    std::uint32_t next = 0; // the first changed credential whose secrets were not read yet; behind the last: all were
    std::uint32_t bad_keys = 0;        // of the last Secrets, bit n: credential first + n
    std::uint32_t bad_factors = 0;     // likewise
    std::uint32_t unlocked_memory = 0; // not 0: RLIMIT_MEMLOCK forbids locking the keys
};

inline constexpr std::size_t kTagsInMessage = 200;
struct TagRecord {
    wire::Tag tag;
    Bytes<wire::kMacKeySize> mac_key;
    std::uint64_t slot;
    std::int64_t not_before; // boot time, ns
    std::int64_t expires;
    std::uint32_t place; // of its credential
    std::uint32_t pad;
};
enum class TagScope : std::uint32_t {
    more = 0, // of slots that came near: they are added to the others
    all,      // they replace all others
    changed,  // they replace those of the places that the last hand-over changed
};
struct Tags {
    static constexpr Type kType = Type::tags;
    Type type = kType;
    std::uint32_t first = 0; // 1: begins a publication
    std::uint32_t last = 0;  // 1: ends it
    std::uint32_t count = 0;
    std::uint32_t generation = 0;
    std::uint32_t scope = 0; // TagScope
    TagRecord tags[kTagsInMessage];
};

enum class GrantVerb : std::uint32_t { open = 1, close, close_all };
struct RequestGrant {
    static constexpr Type kType = Type::request_grant;
    Type type = kType;
    std::uint32_t sequence = 0;   // the request's own; ReplyGrant and GrantCommitted carry it back
    std::uint32_t generation = 0; // of the configuration that it was judged by
    wire::CredentialId
        credential{};       // instead of the place in authz::GrantRequest, which may be another's after a reload
    std::uint32_t verb = 0; // GrantVerb; the others are the fields of authz::GrantRequest
    std::uint32_t service = 0;
    Bytes<16> address{};
    Bytes<16> target{};
    std::uint32_t lifetime = 0; // seconds
    std::uint16_t port = 0;
    std::uint8_t protocol = 0;
    std::uint8_t single = 0;
};

enum class NoticeKind : std::uint32_t {
    clock_wrong = 1, // no tags are published: the wall clock is behind what it was, or behind the release
    clock_right,
    locked_for_good, // the credential had too many wrong codes
};
struct Notice {
    static constexpr Type kType = Type::notice;
    Type type = kType;
    std::uint32_t kind = 0; // NoticeKind
    wire::CredentialId credential{};
};

struct Pong {
    static constexpr Type kType = Type::pong;
    Type type = kType;
    std::uint32_t number = 0;
};

RequestGrant request_grant(GrantVerb verb, const wire::CredentialId& credential, const authz::GrantRequest& request);

// What the worker's numbers mean; nothing where one of them means nothing.
struct Asked {
    GrantVerb verb;
    authz::GrantRequest request; // without the credential
};
std::optional<Asked> checked(const RequestGrant& message);
std::optional<NoticeKind> checked(const Notice& message);
std::optional<TagScope> checked(const Tags& message);

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
