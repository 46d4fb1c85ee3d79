// SPDX-License-Identifier: MIT
// "process" and "control" of the main file: the users of the processes, and the groups of the control socket.
#include "daemon/config/config.h"
#include "daemon/config/sections.h"

namespace xk::config {
using yaml::Scalar;
using yaml::Section;

void read_control(Section& main, Config& config) {
    auto control = main.section("control");
    if (!control)
        return;
    config.admin_group = control->parsed("admin_group", find_group);
    config.read_group = control->parsed("read_group", find_group);
    control->finish();
}

bool read_process(Section& main, Config& config) {
    auto process = main.section("process");
    const auto account = [&](const char* key, const char* standard) {
        const auto name = process ? process->scalar(key) : std::nullopt;
        return main.parse_at(name.value_or(Scalar{standard, {config.file, 0, 0}}), find_account);
    };
    const auto daemon = account("user", "xknock");
    const auto worker = account("worker_user", "xknock-worker");
    config.account = daemon.value_or(Account{});
    config.worker_account = worker.value_or(Account{});
    const yaml::Place place = process ? process->place() : yaml::Place{config.file, 0, 0};
    yaml::Faults& faults = main.faults();
    if (faults.empty() && (config.account.uid == 0 || config.worker_account.uid == 0))
        faults.add(place, "neither user nor worker_user may be root");
    else if (faults.empty() && config.account.uid == config.worker_account.uid)
        faults.add(place, "user and worker_user must be two different users");
    if (process)
        process->finish();
    return daemon && worker;
}

} // namespace xk::config
