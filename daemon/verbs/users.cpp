// SPDX-License-Identifier: MIT
#include "daemon/verbs/users.h"

#include "daemon/authz/lockout.h"
#include "daemon/lifecycle/credential_status.h"
#include "daemon/verbs/fields.h"
#include "daemon/verbs/reply.h"
#include "protocol/base/duration.h"
#include "protocol/base/quote.h"
#include "protocol/encoding.h"

namespace xk::verbs {
namespace {

using nlohmann::json;

json services_json(const authz::Policy& policy, const authz::Credential& credential) {
    json services = json::array();
    for (std::size_t i = 0; i < policy.services.size(); ++i)
        if (credential.services.test(i))
            services.push_back(std::string(policy.services[i].name.view()));
    return services;
}

json modes_json(const authz::Credential& credential) {
    json modes = json::array();
    for (std::size_t i = 0; i < authz::kKnockModes; ++i)
        if (credential.modes.test(i))
            modes.push_back(std::string(authz::kKnockModeNames[i]));
    return modes;
}

std::string status_text(const authz::Credential& credential, const authz::CredentialState& state, const Now& now) {
    const CredentialStatus status = status_of(credential, state, now);
    if (status == CredentialStatus::locked_for_a_while)
        return "locked for " + duration_text(authz::locked_for(state, now.boot));
    return std::string(name_of(status));
}

json user_json(const authz::Policy& policy, std::size_t index, const authz::CredentialState& state, const Now& now) {
    const authz::Credential& credential = policy.credentials[index];
    const bool has_knocked = state.last_accepted != 0;
    const WallTime last{std::chrono::microseconds(state.last_accepted)};
    return {{"user", std::string(credential.user.view())},
            {"device", std::string(credential.device.view())},
            {"id", to_hex(credential.id)},
            {"factor", std::string(name_of(credential.factor))},
            {"modes", modes_json(credential)},
            {"services", services_json(policy, credential)},
            {"status", status_text(credential, state, now)},
            {"wrong_codes", state.failures},
            {"knocks", state.accepted},
            {"last_knock", has_knocked ? utc_or_null(last) : json()},
            {"last_address", has_knocked ? json(state.last_address.text()) : json()}};
}

// The whole list shows one configuration, even where a reload comes while it is made.
Result<control::Reply> run_users(const ConfigSource& source, CredentialStates& states, const Request& request) {
    const auto config = source.config();
    const auto next = [config, state_of = states.find_states(config), who = text_field(request.fields, "user"),
                       i = std::size_t{0}](const Now& now) mutable -> std::optional<json> {
        while (!who.empty() && i < config->policy.credentials.size() &&
               config->policy.credentials[i].user.view() != who)
            ++i;
        if (i == config->policy.credentials.size())
            return std::nullopt;
        const authz::CredentialState state = state_of(i);
        return user_json(config->policy, i++, state, now);
    };
    return rows_reply({"users", next, {{"disabled", disabled_json(*config)}}}, request.clock);
}

Result<control::Reply> run_unlock(const ConfigSource& source, Unlocker& unlocker, const Request& request) {
    const std::string who = text_field(request.fields, "what");
    const auto found = find_credentials(source.config()->policy, who);
    if (found.empty())
        return Error{"there is no user or device " + in_quotes(who), "knockctl users"};
    authz::Event event;
    event.kind = authz::EventKind::unlocked;
    event.at = request.now;
    event.by = request.by;
    event.detail = printable(who);
    Result<void> done;
    while (event.count < found.size() && (done = unlocker.unlock_credential(found[event.count])))
        ++event.count;
    if (event.count > 0)
        request.events.on_event(event);
    if (done)
        return json_reply({{"unlocked", event.count}});
    if (event.count == 0)
        return done.error();
    return std::move(done).error().within(std::to_string(event.count) + " of " + std::to_string(found.size()) +
                                          " devices are unlocked");
}

} // namespace

Table user_verbs(const ConfigSource& config, CredentialStates& states, Unlocker& unlocker) {
    return {{"users",
             control::Role::reader,
             {{"user", FieldKind::text}},
             [&](const Request& request) { return run_users(config, states, request); }},
            {"unlock",
             control::Role::admin,
             {{"what", FieldKind::text}},
             [&](const Request& request) { return run_unlock(config, unlocker, request); },
             [](const json& fields) { return text_field(fields, "what"); }}};
}

} // namespace xk::verbs
