// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/removal.h"

#include "daemon/bans/ban_file.h"
#include "daemon/grants/grants.h"
#include "daemon/lifecycle/interfaces.h"
#include "daemon/lifecycle/last_good.h"
#include "daemon/lifecycle/state_files.h"
#include "daemon/lifecycle/trial.h"
#include "daemon/log.h"
#include "daemon/nft/ruleset.h"
#include "daemon/xdp/filter.h"
#include "protocol/base/directory.h"

namespace xk {

config::Config load_or_guess(const std::string& file, Error* fault) {
    auto config = config::load_config(file, config::Identity::required, config::UserFaults::disable);
    if (config)
        return *std::move(config);
    if (fault != nullptr)
        *fault = config.error();
    config::Config standard;
    const config::Paths paths = config::guess_paths(file);
    standard.run_directory = paths.run;
    standard.state_directory = paths.state;
    standard.pin_directory = paths.bpf;
    return standard;
}

Result<void> take_gate_away(const config::Config& config, nft::Socket& nft) {
    Result<void> done;
    const bool external = config.gate_mode == config::GateMode::external;
    if (external) {
        const Now now = Now::read();
        Grants pinholes(nft, std::make_shared<const config::Config>(config));
        done = pinholes.adopt(now);
        for (const bool v4 : {true, false})
            if (auto closed = pinholes.close_prefix(Prefix::parse(v4 ? "0.0.0.0/0" : "::/0").value(), now); !closed)
                done = closed.error();
    }
    // The mode may have changed since the table was made. A table that the administrator named is theirs.
    if (!external || config.external.table != nft::kTable)
        if (auto removed = nft::remove_ruleset(nft); !removed)
            done = removed;
    if (auto removed = xdp::Filter::remove_pins(config.pin_directory); !removed)
        done = removed;
    if (auto removed = forget_last_good(config.state_directory); !removed)
        done = removed;
    // The file of the owners of bans: the bans were removed with the table.
    (void)remove_file(config.run_directory + "/" + BanFile::kName, false);
    return done;
}

Result<void> remove_traces(const std::string& config_file) {
    // This is the last way to open the ports, so it must not need a valid configuration.
    Error fault;
    const config::Config c = load_or_guess(config_file, &fault);
    if (!fault.message.empty()) {
        log::error(fault);
        log::warn("cleared are {}, {} and {}", c.run_directory, c.state_directory, c.pin_directory);
    }
    // A daemon that runs would put everything back, and so would one that starts meanwhile.
    const auto lock = StateFiles::hold(c.run_directory);
    if (!lock && lock.error().exit == Exit::busy)
        return Error{"xknockd runs", "systemctl stop xknockd", Exit::busy};
    auto nft = nft::Socket::open_nf_tables();
    if (!nft)
        return nft.error();
    if (auto done = take_gate_away(c, *nft); !done)
        return done;
    // The lock is held until then. Who has opened it meanwhile finds it without a name (StateFiles).
    for (const char* name : {"state", "state.next", "owners", "control.sock", "lock"})
        (void)remove_file(c.run_directory + "/" + name, false);
    (void)remove_file(Interfaces::file_in(c.state_directory), false);
    Trial trial = Trial::read(c.state_directory, c.account.uid);
    return trial.is_on() ? trial.forget() : Result<void>();
}

} // namespace xk
