// SPDX-License-Identifier: MIT
//
// What of a configuration only a restart can change: whom the processes become, where their files are, how table,
// filter and memory are made. All of it is one type that is compared as a whole, so that a new member cannot be
// forgotten.
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
    table,   // our own table "inet xknock" does everything
    external // the admin's own rules use the admin's own sets; we only put elements into them
};

struct External {
    std::string table; // of family inet
    std::string set4, set6;

    bool operator==(const External&) const = default;
};

// What authz::kReplayEntries is.
inline constexpr std::size_t kStandardReplayEntries = 65536;

struct Fixed {
    wire::ServerId server_id{}; // also in Policy::settings, for judgement
    Account account, worker_account;
    std::string run_directory = "/run/xknock";
    std::string state_directory = "/var/lib/xknock";
    std::string pin_directory = "/sys/fs/bpf/xknock";
    bool coexist = false; // xdp.coexist: libxdp; with other XDP programs, through libxdp's dispatcher
    GateMode gate_mode = GateMode::table;
    External external;
    bool gate_owned = true;                              // where the kernel can: nobody else may change the table
    std::size_t replay_entries = kStandardReplayEntries; // knocks that judgement remembers

    bool operator==(const Fixed&) const = default;
};

// The keys of the members that differ, as docs/configuration.md names them: "paths.run", "gate.mode".
std::vector<std::string_view> changed_keys(const Fixed& now, const Fixed& next);

// An error that names them, with the hint to restart; for a reload.
Result<void> check_unchanged(const Fixed& now, const Fixed& next);

} // namespace xk::config
