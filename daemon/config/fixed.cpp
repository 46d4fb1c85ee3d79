// SPDX-License-Identifier: MIT
#include "daemon/config/fixed.h"

#include <cstdlib>

namespace xk::config {

std::vector<std::string_view> changed_keys(const Fixed& now, const Fixed& next) {
    // The bindings name every member, so a new one does not compile until it is here.
    const auto& [server, account, worker, run, state, pins, coexist, mode, external, owned, replay] = now;
    const auto& [server2, account2, worker2, run2, state2, pins2, coexist2, mode2, external2, owned2, replay2] = next;
    std::vector<std::string_view> keys;
    const auto compare = [&](std::string_view key, const auto& a, const auto& b) {
        if (!(a == b))
            keys.push_back(key);
    };
    compare("server_id", server, server2);
    compare("process.user", account, account2);
    compare("process.worker_user", worker, worker2);
    compare("paths.run", run, run2);
    compare("paths.state", state, state2);
    compare("paths.bpf", pins, pins2);
    compare("xdp.coexist", coexist, coexist2);
    compare("gate.mode", mode, mode2);
    compare("gate.external", external, external2);
    compare("gate.owned", owned, owned2);
    compare("gate.replay_entries", replay, replay2);
    return keys;
}

Result<void> check_unchanged(const Fixed& now, const Fixed& next) {
    if (now == next)
        return {};
    const auto keys = changed_keys(now, next);
    if (keys.empty()) // a bug: operator== compares a member that has no key above
        std::abort();
    std::string names;
    for (std::size_t i = 0; i < keys.size(); ++i)
        names += (i == 0 ? "" : i + 1 == keys.size() ? " and " : ", ") + std::string(keys[i]);
    return Error{names + (keys.size() == 1 ? " takes" : " take") + " effect with a restart only",
                 "systemctl restart xknockd", Exit::configuration};
}

} // namespace xk::config
