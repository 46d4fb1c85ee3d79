// SPDX-License-Identifier: MIT
#include "daemon/authz/reject.h"

namespace xk::authz {
namespace {

constexpr std::string_view kNames[] = {
    "late",         "tag",           "mac",      "box",        "version",        "action",       "factor",
    "address-mode", "protocol",      "flags",    "port",       "clock",          "address",      "target",
    "horizon",      "stale",         "future",   "replay",     "request-reused", "memory-full",  "disabled",
    "locked",       "not-yet-valid", "expired",  "banned",     "factor-kind",    "proof-form",   "wrong-code",
    "code-used",    "binding",       "source",   "delegation", "own-address",    "service",      "unsupported",
    "limit",        "refused",       "firewall", "crashed",    "hours",          "network",      "panic",
    "taken",        "unanswered",    "ports",    "mode",       "half-open",      "server-clock", "legacy-form",
    "legacy-type"};
static_assert(std::size(kNames) == kRejects);

} // namespace

std::string_view name_of(Reject reason) {
    const auto i = static_cast<std::size_t>(reason);
    return i < kRejects ? kNames[i] : "?";
}

Reject reject_of(RequestFault fault) {
    switch (fault) {
    case RequestFault::version:
        return Reject::version;
    case RequestFault::action:
        return Reject::action;
    case RequestFault::factor:
        return Reject::factor;
    case RequestFault::address_mode:
        return Reject::address_mode;
    case RequestFault::protocol:
        return Reject::protocol;
    case RequestFault::flags:
        return Reject::flags;
    case RequestFault::port:
        return Reject::port;
    case RequestFault::clock:
        return Reject::clock;
    case RequestFault::address:
        return Reject::address;
    case RequestFault::target:
        break;
    }
    return Reject::target;
}

} // namespace xk::authz
