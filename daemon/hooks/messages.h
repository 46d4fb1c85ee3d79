// SPDX-License-Identifier: MIT
//
// Messages between xknockd and xknock-hooks: fixed structs, as with the worker (daemon/privsep/messages.h). A request
// has everything that a hook needs, so xknock-hooks reads no configuration. xknockd does not trust xknock-hooks: it
// counts and logs the reports and does nothing else with them.
#pragma once

#include "daemon/authz/policy.h"
#include "daemon/privsep/messages.h"
#include "protocol/base/address.h"

#include <cstdint>
#include <type_traits>

namespace xk::hooks {

enum class Type : std::uint32_t {
    setup = 1,
    run,
    // sent by xknock-hooks
    ready = 101,
    report,
};

struct Setup {
    static constexpr Type kType = Type::setup;
    Type type = kType;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
};

enum class Event : std::uint32_t { open = 1, close };

// The grant: its user and device, its service and its source address.
struct Subject {
    authz::Name user;
    authz::Name device; // empty: the operator
    authz::Name service;
    Address source;
};
static_assert(std::has_unique_object_representations_v<Subject>); // compared byte by byte

inline constexpr std::size_t kMaxArguments = 16;
inline constexpr std::size_t kMaxBytes = 1024;
struct Run {
    static constexpr Type kType = Type::run;
    Type type = kType;
    Event event = Event::open;
    std::uint32_t lifetime = 0;   // seconds
    std::uint32_t time_limit = 0; // seconds
    Subject subject;
    std::uint32_t arguments = 0;
    char text[kMaxBytes] = {}; // the arguments, each followed by a zero byte
};

// xknock-hooks has changed its user and set its limits. From now on it runs hooks.
struct Ready {
    static constexpr Type kType = Type::ready;
    Type type = kType;
};

enum class Outcome : std::uint32_t {
    done = 1,
    failed,    // `code` is its exit code
    killed,    // `code` is the signal
    overdue,   // killed at its time limit
    dropped,   // too many wait, so it never ran
    restarted, // the runner ended, by signal `code` unless that is 0; hooks that ran or waited are lost
};

inline constexpr std::size_t kMaxSays = 200;
struct Report {
    static constexpr Type kType = Type::report;
    Type type = kType;
    Outcome outcome = Outcome::done;
    Event event = Event::open;
    std::int32_t code = 0;
    Subject subject;
    char says[kMaxSays] = {}; // the beginning of its first line on standard error
};

} // namespace xk::hooks
