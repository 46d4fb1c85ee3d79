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

} // namespace

Table status_verbs(StatusSource& daemon, const ConfigSource& source, CredentialStates& states) {
    const auto run = [&](const Request& request) -> Result<control::Reply> {
        const auto config = source.config();
        const auto state_of = states.find_states(config);
        std::size_t locked = 0;
        for (std::size_t i = 0; i < config->policy.credentials.size(); ++i)
            locked += authz::is_locked(state_of(i), request.now.boot);
        json reply = daemon_json(daemon.read_status(request.now), request.now);
        reply.update(config_json(*config));
        reply["locked"] = locked;
        reply["modes"] = open_modes_json(*config, state_of, request.now);
        return json_reply(reply);
    };
    return {{"status", control::Role::reader, {}, run}};
}

} // namespace xk::verbs
