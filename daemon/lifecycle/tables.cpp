// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/tables.h"

#include "daemon/log.h"
#include "protocol/encoding.h"

namespace xk {

Result<void> Adoption::revoke_copy(const Now& now) {
    return files_.revoke(now, [](const std::string& note) { log::error("{}", note); });
}

Result<void> Adoption::adopt_tables(const Now& now) {
    if (auto done = t_.grants.adopt(now); !done)
        return done;
    if (!t_.dry_run)
        if (auto done = t_.owners.read(t_.config->run_directory, t_.config->account.uid); !done)
            log::error(done.error());
    t_.grant_events.adopt(t_.config->policy);
    if (auto done = adopt_bans(now); !done)
        return done;
    if (auto done = t_.grants.reconfigure(t_.config.share(), now); !done)
        return done;
    t_.grants.on_open(
        [t = t_](nft::Transaction& transaction, const authz::Pinhole& pinhole) {
            t.lifetimes.on_opening(transaction, pinhole, t.addresses());
        },
        [t = t_](const authz::Pinhole& pinhole) { t.lifetimes.on_opened(pinhole, t.addresses()); });
    return {};
}

Result<void> Adoption::adopt_bans(const Now& now) {
    const auto boot_id = read_boot_id();
    if (!boot_id)
        return boot_id.error();
    return t_.bans.adopt(t_.dry_run ? BanFile() : BanFile(t_.config->run_directory, to_hex(*boot_id)), now);
}

// Sessions that an earlier daemon ended stay ended. Sessions of users who were removed since then end now.
Result<void> Adoption::adopt_sessions(bool ruleset_was_there) {
    if (t_.dry_run)
        return {};
    if (auto done = t_.lifetimes.adopt(t_.config->gate_mode == config::GateMode::table, ruleset_was_there); !done)
        return done;
    if (auto done = t_.lifetimes.end_disowned(*t_.config, t_.addresses(), Now::read()); !done)
        log::error(done.error());
    return {};
}

Result<void> Adoption::install_bans(const Now& now) {
    if (auto done = t_.bans.install(now); !done)
        return done;
    if (auto done = t_.bans.reconfigure(t_.config.share(), now); !done)
        return done;
    return t_.bans.report_all();
}

// Closes the grants of both families even if one fails, and returns the first error.
Result<void> Closing::close_grants(const Now& now) {
    Result<void> done;
    for (const char* everybody : {"0.0.0.0/0", "::/0"})
        if (auto closed = t_.grants.close_prefix(Prefix::parse(everybody).value(), now, authz::EndCause::panic);
            !closed && done)
            done = closed.error();
    return done;
}

Result<void> Closing::close_users(const Now& now) {
    const auto closed = t_.grants.close_users(now);
    return closed ? Result<void>() : Result<void>(closed.error());
}

Result<std::size_t> Closing::end_sessions(const std::optional<TcpSession>& spared, const Now& now) {
    return t_.lifetimes.end_all_sessions(*t_.config, t_.addresses(), spared, now);
}

Result<void> Contents::forget_missing() {
    const auto gone = t_.grants.forget_missing();
    return gone ? Result<void>() : Result<void>(gone.error());
}

Result<void> Contents::install_whole(const config::Config& config, const Now& now) {
    auto done = ruleset_.install_with(config, [&](nft::Transaction& transaction) {
        t_.grants.write(transaction, now);
        t_.bans.write(transaction, now);
        if (config.gate_mode != config::GateMode::external)
            t_.lifetimes.write(transaction);
    });
    t_.grants.was_written(now.boot, done.has_value());
    return done;
}

} // namespace xk
