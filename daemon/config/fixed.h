// SPDX-License-Identifier: MIT
//
// The half of a configuration that only a restart can change: users of the processes, directories, and how table,
// filter and memory are made. It is one type that is compared as a whole, so that a new member cannot be forgotten.
#pragma once

#include "daemon/config/account.h"
#include "protocol/base/result.h"
#include "protocol/wire.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace xk::config {

enum class GateMode {
    table,   // our table "inet xknock" does everything
    external // the admin's rules use the admin's sets, and we only add elements
};

struct External {
    std::string table; // of family inet
    std::string set4, set6;

    bool operator==(const External&) const = default;
};

// Equals authz::kReplayEntries.
inline constexpr std::size_t kStandardReplayEntries = 65536;

struct Fixed {
    wire::ServerId server_id{}; // Policy::settings has a copy for judgement
    Account account, worker_account;
    std::string run_directory = "/run/xknock";
    std::string state_directory = "/var/lib/xknock";
    std::string pin_directory = "/sys/fs/bpf/xknock";
    bool coexist = false; // xdp.coexist: libxdp; with other XDP programs, through libxdp's dispatcher
    GateMode gate_mode = GateMode::table;
    External external;
    bool gate_owned = true;                              // nobody else may change the table, if the kernel can do that
    std::size_t replay_entries = kStandardReplayEntries; // knocks that the replay memory holds

    bool operator==(const Fixed&) const = default;
};

// The keys of the members that differ, as docs/configuration.md names them: "paths.run", "gate.mode".
std::vector<std::string_view> changed_keys(const Fixed& now, const Fixed& next);

// Returns the error for a reload that changes these keys, with the hint to restart.
Result<void> check_unchanged(const Fixed& now, const Fixed& next);

} // namespace xk::config
