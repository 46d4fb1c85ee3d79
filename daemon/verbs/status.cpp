// SPDX-License-Identifier: MIT
#include "daemon/verbs/status.h"

#include "daemon/authz/lockout.h"
#include "daemon/verbs/open_modes.h"
#include "daemon/verbs/reply.h"

namespace xk::verbs {
namespace {

using nlohmann::json;

json hooks_json(const std::optional<HookStatus>& hooks) {
    if (!hooks)
        return nullptr;
    return {{"running", hooks->running}, {"done", hooks->done}, {"failed", hooks->failed}, {"dropped", hooks->dropped}};
}

std::string_view name_of(config::Carrier carrier) {
    switch (carrier) {
    case config::Carrier::another:
        return "copied";
    case config::Carrier::unnamed:
        return "unnamed";
    case config::Carrier::named:
    case config::Carrier::none:
        break;
    }
    return "ok";
}

json interfaces_json(const std::vector<InterfaceStatus>& interfaces) {
    json list = json::array();
    for (const InterfaceStatus& one : interfaces) {
        const bool has_filter = !one.device.empty();
        list.push_back({{"name", one.name},
                        {"mode", one.mode},
                        {"device", has_filter ? json(one.device) : json()},
                        {"since", has_filter ? json() : utc_or_null(one.since)},
                        {"reason", has_filter ? json() : json(one.reason)}});
    }
    return list;
}

json daemon_json(const DaemonStatus& daemon, const Now& now) {
    const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(now.boot - daemon.started);
    return {{"version", daemon.version},
            {"dry_run", daemon.dry_run},
            {"trial_ends_in_s", daemon.trial_left ? json(daemon.trial_left->count()) : json()},
            {"pid", daemon.pid},
            {"worker_pid", daemon.worker_pid},
            {"uptime_s", uptime.count()},
            {"owned", daemon.owned},
            {"panic", daemon.panic},
            {"panic_since", utc_or_null(daemon.panic_since)},
            {"interfaces", interfaces_json(daemon.interfaces)},
            {"tags", daemon.tags},
            {"grants", daemon.grants},
            {"bans", daemon.bans},
            {"hooks", hooks_json(daemon.hooks)},
            {"memory", daemon.memory},
            {"identity", name_of(daemon.carrier)},
            {"clock", daemon.clock_is_wrong ? "wrong" : "ok"},
            {"handshakes", daemon.cannot_answer ? "unanswered" : "ok"}};
}

json config_json(const config::Config& config) {
    return {{"config", config.file},
            {"port", config.port},
            {"stealth", config.answer_as_closed ? "closed" : "drop"},
            {"gate", config.gate_mode == config::GateMode::table ? "table" : "external"},
            {"credentials", config.policy.credentials.size()},
            {"disabled", disabled_json(config)}};
}

// A list of devices may be long: they are counted in pieces, and what the daemon itself is comes behind that, in one.
// The reply shows one configuration, even where a reload comes while it is made.
control::Reply status_reply(StatusSource& daemon, std::shared_ptr<const config::Config> config,
                            CredentialStates::ByIndex state_of, Clock clock) {
    const auto count_or_finish = [&daemon, config = std::move(config), state_of = std::move(state_of),
                                  clock = std::move(clock), modes = OpenModes(), i = std::size_t{0},
                                  locked = std::size_t{0}](std::string& out) mutable {
        const Now now = clock();
        if (i < config->policy.credentials.size()) {
            const authz::CredentialState state = state_of(i);
            locked += authz::is_locked(state, now.boot);
            modes.count(config->policy.credentials[i++], state, now);
            return true;
        }
        json reply = daemon_json(daemon.read_status(now), now);
        reply.update(config_json(*config));
        reply["locked"] = locked;
        reply["modes"] = modes.list(*config);
        out += json_reply(reply).json;
        return false;
    };
    return {"", count_or_finish};
}

} // namespace

Table status_verbs(StatusSource& daemon, const ConfigSource& source, CredentialStates& states) {
    return {{"status", control::Role::reader, {}, [&](const Request& request) -> Result<control::Reply> {
                 const auto config = source.config();
                 return status_reply(daemon, config, states.find_states(config), request.clock);
             }}};
}

} // namespace xk::verbs
