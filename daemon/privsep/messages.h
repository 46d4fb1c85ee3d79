// SPDX-License-Identifier: MIT
//
// The messages between xknockd and xknock-worker: one struct of a fixed size for each type, in host byte order. xknockd
// does not trust the worker. It checks size and range of each message before it does anything, and judges each request
// again (authz::permit_open).
//
// The worker's messages hold plain integers only, because loading a bool that is neither 0 nor 1 is undefined
// behaviour. checked() turns them into what they mean, or into nothing.
//
//   to the worker                          to xknockd
//   Setup      ids, ring, state            Ready         the worker is in its sandbox and has read nothing hostile
//   NewPolicy  a change of the policy      SecretsRead   which secrets it needs next, and which ones were bad
//   Secrets    files of a few credentials
//   Activate   the change counts now       Tags          the tags that the filter accepts
//                                          Steps         the sequences of ports that it follows
//                                          Hellos        the next hellos of one credential
//                                          AnswerHello   the answer to one, and the tag of the request
//   Ban, Unban                             RequestGrant  open, close, close all
//   ReplyGrant, GrantCommitted
//   Unlock, AcceptClock, Panic             Notice        something that the operator must know
//   RaiseHorizon                           HorizonRaised the horizon counts for every knock from now on
//   Ping                                   Pong
//                                          Outcome       the result of one knock, sent within a budget
//                                          Suppressed    how many Outcomes were left out
#pragma once

#include "daemon/authz/firewall.h"
#include "daemon/authz/policy.h"
#include "daemon/authz/record.h"
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
    outcome,
    suppressed,
    steps,
    hellos,
    answer_hello,
};

// Descriptors, in this order: the ring's map; the state file; with `has_copy` the copy of the state; with
// `has_previous` the state file of another layout, whose contents the worker takes over.
struct Setup {
    static constexpr Type kType = Type::setup;
    Type type = kType;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::uint32_t has_copy = 0;
    Bytes<16> boot_id{};
    std::int64_t skew = 0;            // seconds
    std::int64_t earliest_wall = 0;   // us since 1970; a wall clock before this is wrong
    std::uint64_t replay_entries = 0; // of the state file
    std::uint32_t has_previous = 0;
    std::uint32_t pad = 0;
};

// An authz::PolicyChange of the policy that the worker judges by. Descriptor: a sealed memory file with its parts
// (policy_file.h).
struct NewPolicy {
    static constexpr Type kType = Type::new_policy;
    Type type = kType;
    std::uint32_t places = 0;
    std::uint32_t services = 0;
    std::uint32_t changed = 0;    // credentials; the worker reads their secrets again
    std::uint32_t emptied = 0;    // places
    std::uint32_t generation = 0; // the worker repeats it in its tags and requests
    std::uint32_t base = 0;       // the generation that this changes; 0: there is none
    authz::Settings settings;
};

// The secret files of `count` changed credentials, from index `first` on. Each credential has one descriptor for its
// key and, if it has a factor, a second one for the factor's secret. The worker requests each batch (SecretsRead), so
// the socket never holds the descriptors of more than one.
inline constexpr std::uint32_t kSecretsAtOnce = 16;
static_assert(2 * kSecretsAtOnce <= kMaxFds);
struct Secrets {
    static constexpr Type kType = Type::secrets;
    Type type = kType;
    std::uint32_t first = 0;
    std::uint32_t count = 0;
    std::uint32_t without = 0; // bit n: the files of credential first + n cannot be opened and are not here
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

// Follows a ReplyGrant whose answer was `waiting`: the kernel has the grant now, or refused it.
struct GrantCommitted {
    static constexpr Type kType = Type::grant_committed;
    Type type = kType;
    std::uint32_t sequence = 0;
    std::uint32_t failed = 0; // 1: the kernel refused it
};

// Makes the worker forget a credential's wrong codes.
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

// While the operator's panic is on, the worker refuses every knock.
struct Panic {
    static constexpr Type kType = Type::panic;
    Type type = kType;
    std::uint32_t on = 0;
};

// Makes the worker refuse every knock that was made before now: this machine may have accepted some of them and
// forgotten it, for example because it runs from a snapshot.
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
    std::uint32_t fit = 0;   // authz::StateFit: the reason of kUnreadable
};
inline constexpr std::uint32_t kResumed = 3;
inline constexpr std::uint32_t kTakenOver = 4;  // from the state file of another layout
inline constexpr std::uint32_t kUnreadable = 5; // the earlier state cannot be read; the worker ends

// The answer to NewPolicy and to each Secrets. A credential with bad or missing secrets is disabled.
struct SecretsRead {
    static constexpr Type kType = Type::secrets_read;
    Type type = kType;
    std::uint32_t generation = 0;      // of the NewPolicy
    std::uint32_t next = 0;            // index of the first changed credential whose secrets are not read yet
    std::uint32_t bad_keys = 0;        // of the last Secrets; bit n: the key of credential first + n
    std::uint32_t bad_factors = 0;     // likewise the factor's secret
    std::uint32_t unlocked_memory = 0; // not 0: RLIMIT_MEMLOCK forbids locking the keys
};

inline constexpr std::size_t kTagsInMessage = 200;
struct TagRecord {
    wire::Tag tag;
    Bytes<wire::kMacKeySize> mac_key;
    std::uint64_t slot;
    std::int64_t not_before;                                                    // boot time, ns
    std::int64_t expires;                                                       // boot time, ns
    std::uint32_t place;                                                        // of its credential
    std::uint32_t kind = static_cast<std::uint32_t>(authz::RecordKind::packet); // of the records of its packets
};
enum class TagScope : std::uint32_t {
    more = 0, // tags of slots that begin soon, beside the published ones
    all,      // they replace every published tag
    changed,  // they replace the tags of the places that the last hand-over changed
};
struct Tags {
    static constexpr Type kType = Type::tags;
    Type type = kType;
    std::uint32_t first = 0; // 1: this message begins a publication
    std::uint32_t last = 0;  // 1: this message ends it
    std::uint32_t count = 0;
    std::uint32_t generation = 0;
    std::uint32_t scope = 0; // TagScope
    TagRecord tags[kTagsInMessage];
};

// The next hellos that one credential may send. They replace those before.
inline constexpr std::size_t kHellosInMessage = 64;
struct HelloRecord {
    wire::Tag tag;
    Bytes<wire::kMacKeySize> mac_key;
    std::uint64_t number;
};
struct Hellos {
    static constexpr Type kType = Type::hellos;
    Type type = kType;
    std::uint32_t generation = 0;
    std::uint32_t place = 0; // of the credential
    std::uint32_t count = 0;
    std::int64_t expires = 0; // boot time, ns
    HelloRecord hellos[kHellosInMessage];
};

// The answer to a hello. The filter must have seen that hello, from there and to there: xknockd sends nothing to
// anybody else. The tag is that of the request that may follow.
struct AnswerHello {
    static constexpr Type kType = Type::answer_hello;
    Type type = kType;
    std::uint32_t generation = 0;
    std::uint32_t place = 0;
    std::uint32_t source_port = 0;
    Bytes<16> source{};
    Bytes<16> destination{};
    wire::Tag tag{};
    Bytes<wire::kMacKeySize> mac_key{};
    std::int64_t expires = 0; // boot time, ns
    wire::Packet packet{};
};

// All steps of all sequences that count now or soon, as a tree (bpf/abi.h). A publication replaces the one before. It
// is one or more messages, between which the worker sends no other one.
inline constexpr std::size_t kStepsInMessage = 200;
struct StepRecord {
    std::uint64_t slot;
    std::int64_t not_before; // boot time, ns
    std::int64_t expires;    // boot time, ns
    std::uint64_t node, next;
    std::uint32_t place; // of the credential
    std::uint16_t port;
    std::uint16_t pad;
};
struct Steps {
    static constexpr Type kType = Type::steps;
    Type type = kType;
    std::uint32_t first = 0; // 1: this message begins a publication
    std::uint32_t last = 0;  // 1: this message ends it
    std::uint32_t count = 0;
    std::uint32_t generation = 0;
    std::uint32_t pad = 0;
    StepRecord steps[kStepsInMessage];
};

enum class GrantVerb : std::uint32_t { open = 1, close, close_all };
struct RequestGrant {
    static constexpr Type kType = Type::request_grant;
    Type type = kType;
    std::uint32_t sequence = 0;   // number of the request; ReplyGrant and GrantCommitted repeat it
    std::uint32_t generation = 0; // of the configuration by which the worker judged the knock
    // This is not the place, as in authz::GrantRequest: after a reload that may belong to another credential.
    wire::CredentialId credential{};
    std::uint32_t verb = 0; // GrantVerb; what follows are the members of authz::GrantRequest
    std::uint32_t service = 0;
    Bytes<16> address{};
    Bytes<16> target{};
    std::uint32_t lifetime = 0; // seconds
    std::uint16_t port = 0;
    std::uint8_t protocol = 0;
    std::uint8_t single_use = 0; // 0 or 1
};

enum class NoticeKind : std::uint32_t {
    clock_wrong = 1, // the wall clock is behind an accepted knock or behind this release; no tags are published
    clock_right,
    locked_for_good, // the credential had too many wrong codes
};
struct Notice {
    static constexpr Type kType = Type::notice;
    Type type = kType;
    std::uint32_t kind = 0; // NoticeKind
    wire::CredentialId credential{};
};

// The result of one knock. It is for information only, so it may be left out.
enum class OutcomeKind : std::uint32_t { accepted = 1, refused };
struct Outcome {
    static constexpr Type kType = Type::outcome;
    Type type = kType;
    std::uint32_t kind = 0;
    wire::CredentialId credential{}; // with `known` only
    Bytes<16> source{};
    Bytes<16> address{};          // to open for; with `was_read` only, as all from here to `totp_step`
    std::int64_t clock_ahead = 0; // seconds that the client's clock is ahead of this host's; with `has_clock` only
    std::int64_t totp_step = 0;   // -1: none
    std::int64_t locked_for = 0;  // seconds; -1: until somebody unlocks it
    std::int64_t last_use = 0;    // us since 1970: when the device's last knock was accepted; 0: never
    std::uint32_t way = 0;        // of knocking: authz::KnockMode + 1; 0: not known
    std::uint32_t pad = 0;
    std::uint32_t service = 0;
    std::uint32_t reject = 0; // authz::Reject; 0 where it was accepted
    std::uint16_t port = 0;
    std::uint8_t protocol = 0;
    std::uint8_t action = 0; // Action
    std::uint8_t known = 0;  // 1: the credential is known, because the MAC was right
    std::uint8_t was_read = 0;
    std::uint8_t retry = 0; // 1: the same request again; nothing was done
    std::uint8_t has_clock = 0;
};

// The numbers of Outcomes that were left out since the last Suppressed.
struct Suppressed {
    static constexpr Type kType = Type::suppressed;
    Type type = kType;
    std::uint32_t pad = 0;
    std::uint64_t refused = 0;
    std::uint64_t accepted = 0;
};

struct Pong {
    static constexpr Type kType = Type::pong;
    Type type = kType;
    std::uint32_t number = 0;
};

RequestGrant request_grant(GrantVerb verb, const wire::CredentialId& credential, const authz::GrantRequest& request);

// The meaning of the worker's numbers; nothing if one of them is out of range.
struct CheckedRequest {
    GrantVerb verb;
    authz::GrantRequest request; // without the credential
};
std::optional<CheckedRequest> checked(const RequestGrant& message);
std::optional<NoticeKind> checked(const Notice& message);
std::optional<TagScope> checked(const Tags& message);
std::optional<std::span<const HelloRecord>> checked(const Hellos& message);
// Nothing where a number is out of range; else the steps.
std::optional<std::span<const StepRecord>> checked(const Steps& message);

template <typename M>
Result<void> send(const Channel& channel, const M& message, std::span<const int> fds = {}) {
    static_assert(std::is_trivially_copyable_v<M> && sizeof(M) <= kMaxMessage);
    return channel.send({reinterpret_cast<const std::uint8_t*>(&message), sizeof message}, fds);
}

// The type of a message; 0 if it is too short to have one.
inline Type type_of(const Received& received) {
    Type type{};
    if (received.bytes.size() >= sizeof type)
        std::memcpy(&type, received.bytes.data(), sizeof type);
    return type;
}

// Copies the message. False: it is not of this type or not of exactly its size, and the copy means nothing. This is for
// messages with secrets: the caller can wipe the only copy.
template <typename M>
bool read_into(M& message, const Received& received) {
    static_assert(std::is_trivially_copyable_v<M>);
    if (received.bytes.size() != sizeof(M))
        return false;
    std::memcpy(static_cast<void*>(&message), received.bytes.data(), sizeof message);
    return message.type == M::kType;
}

// The message, if it is of this type and of exactly its size.
template <typename M>
std::optional<M> as(const Received& received) {
    M message;
    return read_into(message, received) ? std::optional<M>(message) : std::nullopt;
}

} // namespace xk::privsep
