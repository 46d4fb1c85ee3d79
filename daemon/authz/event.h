// SPDX-License-Identifier: MIT
//
// Event: one thing that happened, as a value. Whoever does or notices something makes one and hands it to an EventSink;
// log lines, hooks, counters and the control socket are sinks. So a new way to tell the operator is a new sink, and no
// line of judgement or of the grants changes for it.
#pragma once

#include "daemon/authz/reject.h"
#include "protocol/base/address.h"
#include "protocol/base/clock.h"

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

namespace xk::authz {

enum class EventKind : std::uint8_t {
    knock_accepted,
    knock_refused,       // `reject` says why
    refusals_suppressed, // `count` of them were not told one by one: more came than the budget allows
    locked,              // a credential, by wrong codes: for `lifetime`, or with zero until somebody unlocks it
    unlocked,
    grant_begun,
    grant_prolonged,
    grant_ended, // `cause` says how
    session_ended,
    banned, // `lifetime` zero: for ever; `detail` is the owner
    unbanned,
    reloaded,
    repaired, // the ruleset: `detail` says who had changed it
    attached, // the filter, to the interface in `detail`
    detached,
    clock_wrong,
    clock_right,
    trial_begun,
    trial_confirmed,
    trial_over,
    panic_begun,
    panic_over,
    taken_over, // the horizon was raised: knocks of before may have been accepted elsewhere
    operator_action,
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
    by_others, // somebody took its element out of the set
    failed,    // the kernel did not take it
    displaced, // another credential took its place among the holders of one pinhole
};

// Who typed a command at the control socket, as the kernel says (unix(7), SO_PEERCRED).
struct Operator {
    uid_t uid = 0;
    pid_t pid = 0;
    std::optional<uid_t> login_uid; // whoever logged in, where the kernel keeps it: for people, never for a decision
};

// Fields that a kind has no use for stay empty.
struct Event {
    EventKind kind = EventKind::count_;
    Now at{};
    std::string user;
    std::string device;
    std::string service;            // names, of more than one with commas
    std::optional<Address> source;  // where it came from
    std::optional<Address> address; // for which
    std::optional<Prefix> prefix;   // banned, unbanned: whom
    std::string pinholes;           // "tcp/22, udp/51820"
    std::optional<Reject> reject;
    EndCause cause = EndCause::none;
    std::chrono::seconds lifetime{0};
    std::uint64_t count = 0;
    std::string detail;         // printable
    std::optional<Operator> by; // operator_action, and what comes of one
    std::string verb;           // operator_action: of the control socket; `detail` says for whom or what
    std::string failure;        // operator_action: why it was not done, or only in part; empty: it was
};

// Called from the one thread, while nothing is being changed. It must not wait for anybody.
class EventSink {
  public:
    virtual ~EventSink() = default;
    virtual void on_event(const Event& event) = 0;
};

} // namespace xk::authz
