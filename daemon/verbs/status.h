// SPDX-License-Identifier: MIT
//
// The verb "status": the daemon in a few lines.
#pragma once

#include "daemon/config/machines.h"
#include "daemon/verbs/sources.h"
#include "daemon/verbs/verb.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace xk::verbs {

struct InterfaceStatus {
    std::string name;   // in the configuration
    std::string device; // the interface's present name; empty: it has no filter
    std::string mode;   // "native", "generic", "missing", "not attached"
    WallTime since{};   // since when it has no filter
    std::string reason; // why it has no filter
};

struct HookStatus {
    bool running = false; // xknock-hooks
    std::uint64_t done = 0, failed = 0, dropped = 0;
};

// The part of the status that is not in the configuration.
struct DaemonStatus {
    std::string version;
    pid_t pid = 0, worker_pid = 0;
    BootTime started{};
    bool dry_run = false;
    std::optional<std::chrono::seconds> trial_left; // none: not on trial
    bool owned = false;                             // no other program can change the table
    bool panic = false;
    std::optional<WallTime> panic_since; // none: no panic, or its file does not say since when
    std::vector<InterfaceStatus> interfaces;
    std::size_t tags = 0, grants = 0, bans = 0;
    std::optional<HookStatus> hooks; // none: no service had a hook at the start
    std::string memory;              // where judgement's memory came from at the start
    config::Carrier carrier = config::Carrier::named;
    bool clock_is_wrong = false;
    bool cannot_answer = false; // devices may knock by handshake, and this process may not send
};

class StatusSource {
  public:
    virtual ~StatusSource() = default;
    virtual DaemonStatus read_status(const Now& now) = 0;
};

Table status_verbs(StatusSource& daemon, const ConfigSource& config, CredentialStates& states);

} // namespace xk::verbs
