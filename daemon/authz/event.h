// SPDX-License-Identifier: MIT
//
// Event: one thing that happened, as a value. The code that does or notices something makes an Event and gives it to an
// EventSink. Log lines, hooks, counters and the control socket are sinks. So a new way to inform the operator is a new
// sink, and judgement and grants do not change for it. An Error (a failure, with a hint) is no Event: it travels up and
// is logged once. Every text in an event is printable and bounded (bounded()); none was copied from a packet.
#pragma once

#include "daemon/authz/policy.h"
#include "daemon/authz/reject.h"
#include "protocol/base/address.h"
#include "protocol/base/clock.h"
#include "protocol/request.h"

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace xk::authz {

// The names (name_of()) are a part of the control socket's interface; the numbers are not, and new kinds go to the end.
enum class EventKind : std::uint8_t {
    knock_accepted,      // `action`; `retry` where the same knock was accepted before
    knock_refused,       // `reject` says why; `lifetime`, `for_good`: how long the credential is locked
    refusals_suppressed, // `count` refusals were not reported one by one, because the budget was used up
    locked,              // a credential, by wrong codes: for `lifetime`, or with zero until somebody unlocks it
    unlocked,            // `detail` is the name that the operator gave
    grant_begun,         // for `lifetime`
    grant_prolonged,     // to `lifetime` from now on; `detail` says by what, where it was no knock
    grant_ended,         // `cause` says how, with `rights` and `configuration` also `reject`
    session_ended,       // `cause` says how, `more` in words; `detail` is which
    banned,              // `prefix`; `lifetime` zero: for ever; `detail` is the owner
    unbanned,            // likewise; `cause` says how
    reloaded,            // `detail` is what changed, `more` the file, `count` the number of credentials
    repaired,            // the ruleset: `detail` says who had changed it, `more` which table; `count` grants and `bans`
                         // stand again
    attached,            // the filter, to the interface in `detail`, in the mode `more`; `again`: it had been taken off
    detached,            // likewise; `more` says why
    clock_wrong,
    clock_right,
    trial_begun, // for `lifetime`; `again`: it goes on with this start
    trial_confirmed,
    trial_over,  // nobody confirmed, so everything was taken away; `detail` says with what effect
    panic_begun, // `count` grants are closed; `detail` is the session that is spared
    panic_over,
    taken_over,        // the horizon was raised: earlier knocks may have been accepted elsewhere; `detail` says why
    operator_action,   // `verb`, for or of `detail`; `failure`; other fields say what the verb did
    knocks_suppressed, // `count` accepted knocks were not reported one by one
    legacy_client,     // a knock of an old client was accepted (`way`); `last_use`: the one of its device before it
    count_,
};

// Why a grant ended.
enum class EndCause : std::uint8_t {
    none,
    expired,       // its time is over
    used,          // single use: its connection has come
    by_user,       // a knock closed it
    by_operator,   // knockctl closed it
    banned,        // its address was banned
    rights,        // dates, hours or networks of its user do not allow it any more
    configuration, // the user, the device, the service or the right to it is gone
    panic,
    by_others, // another program removed its element from the set
    failed,    // the kernel refused it
    displaced, // another credential took its place among the holders of one pinhole
    count_,
};

inline constexpr std::size_t kEventKinds = static_cast<std::size_t>(EventKind::count_);
inline constexpr std::size_t kEndCauses = static_cast<std::size_t>(EndCause::count_);

// "grant_begun", "by_user": as in the enum, stable, for JSON. "?" for a number that is none.
std::string_view name_of(EventKind kind);
std::string_view name_of(EndCause cause);
// The other way round; nothing for an unknown name.
std::optional<EventKind> event_kind(std::string_view name);
std::optional<EndCause> end_cause(std::string_view name);

// The user who sent a command to the control socket, as the kernel names them (unix(7), SO_PEERCRED).
struct Operator {
    uid_t uid = 0;
    pid_t pid = 0;
    std::optional<uid_t> login_uid; // the user who logged in, if the kernel knows: for people, never for a decision
    std::string name = {}, login_name = {}; // of uid and login_uid; empty: this host's files do not know it
};

// Fields that a kind does not use stay empty.
struct Event {
    EventKind kind = EventKind::count_;
    Now at{};
    std::string user;
    std::string device;
    std::string service;            // the name, or several names with commas
    std::optional<Address> source;  // where it came from
    std::optional<Address> address; // that it is for
    std::optional<Prefix> prefix;   // that is banned or unbanned
    std::string pinholes;           // "tcp/22, udp/51820"
    std::optional<Reject> reject;
    EndCause cause = EndCause::none;
    std::chrono::seconds lifetime{0};
    std::uint64_t count = 0;
    std::string detail;         // printable
    std::optional<Operator> by; // operator_action, and events that follow from one
    std::string verb;           // operator_action: of the control socket; `detail` says for whom or what
    std::string failure;        // operator_action: why it was not done, or only in part; empty: it was
    std::string more;           // beside `detail`, as the kind says
    std::uint64_t sessions = 0;
    std::optional<std::uint64_t> bans; // nothing: they are not ours to write ("external")
    bool for_good = false;
    bool all = false;
    bool others_remain = false; // the address is still banned, by another owner or by a network around it
    bool again = false;
    // Facts of a knock, as far as judgement came.
    std::optional<Action> action;
    bool retry = false;
    std::optional<std::chrono::seconds> clock_ahead; // how far the client's clock is ahead of this host's
    std::optional<std::uint64_t> totp_step;          // the code is of this step (RFC 6238): time / 30 s
    std::optional<KnockMode> way;                    // of knocking
    std::optional<WallTime> last_use;                // legacy_client; none: its first knock

    // "anna/laptop", or the user alone where no device is known.
    std::string who() const { return device.empty() ? user : user + "/" + device; }
};

// The longest text in an event, in bytes: 64 grants, which one credential may hold, with their hosts.
inline constexpr std::size_t kMaxEventText = 4096;

// The text as an event has it: printable (as_line()) and no longer than `most`, with "..." where it was cut.
std::string bounded(std::string_view text, std::size_t most = kMaxEventText);
// The same for each text of an event.
void bound(Event& event);
// The memory that the event takes, in bytes (approximate).
std::size_t size_of(const Event& event);

// Called from the daemon's only thread, while no table is being changed. It must not block.
class EventSink {
  public:
    virtual ~EventSink() = default;
    virtual void on_event(const Event& event) = 0;
};

} // namespace xk::authz
