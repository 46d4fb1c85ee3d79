// SPDX-License-Identifier: MIT
#include "daemon/verbs/control_verbs.h"

#include "daemon/authz/lockout.h"
#include "daemon/lifecycle/credential_status.h"
#include "daemon/lifecycle/daemon.h"
#include "daemon/log.h"
#include "daemon/verbs/closing_verbs.h"
#include "daemon/verbs/control_bans.h"
#include "protocol/base/duration.h"
#include "protocol/base/quote.h"
#include "protocol/encoding.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace xk {
namespace {

using control::Role;
using nlohmann::json;

json error_of(const Error& error) {
    return {{"error", error.message}, {"hint", error.hint}, {"exit", static_cast<int>(error.exit)}};
}

json text_or_null(std::int64_t wall_us) {
    if (wall_us == 0)
        return nullptr;
    return log::utc(WallTime(std::chrono::microseconds(wall_us)));
}

json hooks_of(const HookCalls& calls) {
    if (!calls.was_started())
        return nullptr;
    return {{"running", calls.fd() >= 0},
            {"done", calls.counts().done},
            {"failed", calls.counts().failed},
            {"dropped", calls.counts().dropped}};
}

// Files of users and credentials with a fault; whom they describe is in no other list.
json disabled_of(const Daemon& d) {
    json list = json::array();
    for (const config::Disabled& disabled : d.config().disabled)
        list.push_back({{"file", disabled.file}, {"faults", disabled.faults}});
    return list;
}

std::string_view identity_of(const Daemon& d) {
    switch (d.carrier()) {
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

json interfaces_of(const Interfaces& interfaces) {
    json list = json::array();
    for (const Interfaces::Interface& one : interfaces.all()) {
        const bool has_filter = one.has_filter();
        list.push_back({{"name", one.attachment.interface},
                        {"mode", one.state()},
                        {"device", has_filter ? json(one.device()) : json()},
                        {"since", has_filter ? json() : json(log::utc(one.since))},
                        {"reason", has_filter ? json() : json(one.reason)}});
    }
    return list;
}

Reply status(Daemon& d, const json&) {
    const Now now = Now::read();
    const Records& records = d.find_records();
    std::size_t locked = 0;
    for (std::size_t i = 0; i < d.config().policy.credentials.size(); ++i)
        locked += authz::is_locked(records.of(d.config().policy, i, d.state()), now.boot);
    const Trial& trial = d.trial();
    return json{{"version", XK_VERSION},
                {"dry_run", d.is_dry_run()},
                {"trial_ends_in_s", trial.is_on() ? json(trial.left(now.boot).count()) : json()},
                {"pid", ::getpid()},
                {"worker_pid", d.worker_pid()},
                {"uptime_s", std::chrono::duration_cast<std::chrono::seconds>(now.boot - d.started()).count()},
                {"config", d.config().file},
                {"port", d.config().port},
                {"stealth", d.config().answer_as_closed ? "closed" : "drop"},
                {"gate", d.config().gate_mode == config::GateMode::table ? "table" : "external"},
                {"owned", d.is_owned()},
                {"panic", d.panic().is_on()},
                {"panic_since", d.panic().since() ? json(log::utc(*d.panic().since())) : json()},
                {"interfaces", interfaces_of(d.interfaces())},
                {"credentials", d.config().policy.credentials.size()},
                {"disabled", disabled_of(d)},
                {"locked", locked},
                {"tags", d.tag_count()},
                {"grants", d.grants().book().pinholes()},
                {"bans", d.banning().list().all().size()},
                {"hooks", hooks_of(d.hook_calls())},
                {"memory", d.gate_begin()},
                {"identity", identity_of(d)},
                {"clock", d.clock_is_wrong() ? "wrong" : "ok"}};
}

json grant_json(const Grants& pinholes, const authz::Policy& policy, const authz::Pinhole& pinhole,
                const std::vector<authz::Holder>& holders, BootTime now) {
    json by = json::array();
    for (const authz::Holder& holder : holders) {
        const auto index = policy.find_credential(holder.credential);
        by.push_back({{"credential", to_hex(holder.credential)},
                      {"user", std::string(authz::user_of(policy, holder.credential))},
                      {"device", index ? std::string(policy.credentials[*index].device.view()) : ""},
                      {"expires_in_s", seconds_left(holder.until, now)}});
    }
    const authz::Service* const service = pinholes.service_of(pinhole);
    return {{"address", pinhole.address.text()},
            {"endpoint", pinholes.text_of(pinhole)},
            {"service", service != nullptr ? std::string(service->name.view()) : ""},
            {"expires_in_s", seconds_left(holders.front().until, now)},
            {"holders", by}};
}

Rows grants(Daemon& d) {
    return {"grants", [&d, last = std::optional<authz::Pinhole>()]() mutable -> std::optional<json> {
                const Now now = Now::read();
                d.grants().expire(now.boot);
                const auto& all = d.grants().book().all();
                const auto next = last ? all.upper_bound(*last) : all.begin();
                if (next == all.end())
                    return std::nullopt;
                last = next->first;
                return grant_json(d.grants(), d.config().policy, *last, next->second, now.boot);
            }};
}

json user_json(const authz::Policy& policy, const authz::Credential& c, const authz::CredentialState& state) {
    const Now now = Now::read();
    json services = json::array();
    for (std::size_t i = 0; i < policy.services.size(); ++i)
        if (c.services.test(i))
            services.push_back(std::string(policy.services[i].name.view()));
    const CredentialStatus kind = status_of(c, state, now);
    std::string standing(name_of(kind));
    if (kind == CredentialStatus::locked_for_a_while)
        standing = "locked for " + duration_text(authz::locked_for(state, now.boot));
    return {{"user", std::string(c.user.view())},
            {"device", std::string(c.device.view())},
            {"id", to_hex(c.id)},
            {"factor", std::string(name_of(c.factor))},
            {"services", services},
            {"status", standing},
            {"wrong_codes", state.failures},
            {"knocks", state.accepted},
            {"last_knock", text_or_null(state.last_accepted)},
            {"last_address", state.last_accepted != 0 ? json(state.last_address.text()) : json()}};
}

// Of the configuration that counts now, also where another one does before the list is whole.
Rows users(Daemon& d) {
    return {"users",
            [&d, config = d.shared_config(), records = d.find_records(),
             i = std::size_t{0}]() mutable -> std::optional<json> {
                const authz::Policy& policy = config->policy;
                if (i == policy.credentials.size())
                    return std::nullopt;
                const authz::CredentialState state = records.of(policy, i, d.state());
                return user_json(policy, policy.credentials[i++], state);
            },
            {{"disabled", disabled_of(d)}}};
}

Reply stats(Daemon& d, const json&) {
    auto counters = xdp::read_counters(d.filter());
    if (!counters)
        return counters.error();
    json filter, refused, accepted;
    for (int i = 0; i < XK_COUNTERS; ++i)
        filter[std::string(xdp::counter_name(i))] = (*counters)[static_cast<std::size_t>(i)];
    const authz::StateHeader& header = d.state().header;
    for (std::size_t i = 0; i < authz::kRejects; ++i)
        refused[std::string(name_of(static_cast<authz::Reject>(i)))] = header.rejects[i];
    for (int i = 1; i <= 4; ++i)
        accepted[std::string(name_of(static_cast<Action>(i)))] = header.accepted[static_cast<std::size_t>(i)];
    return json{{"filter", filter}, {"refused", refused}, {"accepted", accepted}, {"retries", header.retries}};
}

Reply reload(Daemon& d, const json&) {
    if (auto done = d.reload(); !done) {
        log::error(done.error());
        return done.error();
    }
    std::vector<std::string> warnings = d.config().warnings;
    std::ranges::copy(d.interfaces().warnings(), std::back_inserter(warnings));
    return json{{"reloaded", d.config().file}, {"warnings", warnings}, {"disabled", disabled_of(d)}};
}

Reply unlock(Daemon& d, const json& request) {
    const std::string who = request.value("what", "");
    const auto found = credentials_of(d.config().policy, who);
    if (found.empty())
        return Error{"there is no user or device " + in_quotes(who), "knockctl users"};
    for (const std::size_t i : found) {
        privsep::Unlock message;
        message.credential = static_cast<std::uint32_t>(i);
        if (auto sent = privsep::send(d.worker(), message); !sent)
            return sent.error();
    }
    spdlog::info("unlocked {} by the operator", printable(who));
    return json{{"unlocked", found.size()}};
}

Reply clock_accept(Daemon& d, const json&) {
    if (auto sent = privsep::send(d.worker(), privsep::AcceptClock{}); !sent)
        return sent.error();
    spdlog::warn("the wall clock was accepted by the operator");
    return json{{"accepted", log::utc(Now::read().wall)}};
}

Reply takeover(Daemon& d, const json&) {
    if (auto done = d.take_over(); !done)
        return done.error();
    const auto skew = d.config().policy.settings.skew;
    const std::string until = log::utc(Now::read().wall + skew);
    spdlog::warn("taken over by the operator: knocks made before {} are refused", until);
    return json{{"refused_until", until}, {"refused_for_s", skew.count()}};
}

Reply open(Daemon& d, const json& request) {
    const auto address = Address::parse_logged(request.value("address", ""));
    if (!address)
        return Error{address.error().message, address.error().hint, Exit::usage};
    const auto time = seconds_of(request);
    if (!time)
        return time.error();
    const std::string service = request.value("service", "");
    authz::GrantRequest wish;
    wish.address = *address;
    wish.lifetime = static_cast<std::uint32_t>(time->value_or(std::chrono::seconds(0)).count()); // none: the default
    wish.single = request.value("single", false);
    const auto what = parse_service_wish(service);
    if (!what)
        return Error{what.error().message, what.error().hint, Exit::usage};
    wish.service = what->service;
    wish.endpoint = what->endpoint;
    wish.target = what->target;
    const Now now = Now::read();
    const Grants::Done done = d.grants().open_by_operator(wish, d.banning().list(), d.own_addresses(), now);
    switch (done.answer) {
    case authz::Answer::done:
    case authz::Answer::waiting:
        break;
    case authz::Answer::banned:
        return Error{address->text() + " is banned", "knockctl bans"};
    case authz::Answer::own_address:
        return Error{address->text() + " is an address of this host", {}};
    case authz::Answer::limit:
        return Error{"there are as many open grants as there may be", "gate.max_grants; 64 of the operator's"};
    case authz::Answer::failed:
        return done.error.value_or(Error{"nf_tables refused", {}});
    case authz::Answer::refused:
    case authz::Answer::panic: // knocks are, the operator is not
        return Error{"there is no service " + in_quotes(service) + ", or no grant is opened for " + address->text() +
                         (wish.single ? ", or it is not for one connection (a range, or after: cut)" : ""),
                     "services are named in " + d.config().file};
    }
    spdlog::info("{} {} for {} by the operator, for {}", d.is_dry_run() ? "would grant" : "granted", done.service,
                 address->text(), duration_text(done.lifetime));
    return json{{"address", address->text()}, {"service", done.service}, {"expires_in_s", done.lifetime.count()}};
}

Reply try_for(Daemon& d, const json& request) {
    const auto time = seconds_of(request);
    if (!time)
        return time.error();
    if (!*time || **time > Trial::kLongest)
        return Error{"a trial lasts from 1s to " + duration_text(Trial::kLongest), {}, Exit::usage};
    if (auto done = d.put_on_trial(**time); !done)
        return done.error();
    return json{{"trial_ends_in_s", (*time)->count()}};
}

Reply confirm(Daemon& d, const json&) {
    if (auto done = d.confirm(); !done)
        return done.error();
    return json{{"confirmed", true}};
}

struct Verb {
    std::string_view name;
    Role role;
    Reply (*run)(Daemon&, const json&);
};

constexpr Verb kVerbs[] = {
    {"status", Role::reader, status},    {"stats", Role::reader, stats},
    {"ban", Role::admin, ban},           {"unban", Role::admin, unban},
    {"close", Role::admin, close},       {"reload", Role::admin, reload},
    {"panic", Role::admin, panic},       {"open", Role::admin, open},
    {"unlock", Role::admin, unlock},     {"clock-accept", Role::admin, clock_accept},
    {"takeover", Role::admin, takeover}, {"try", Role::admin, try_for},
    {"confirm", Role::admin, confirm},
};

// For readers too.
struct List {
    std::string_view name;
    Rows (*rows)(Daemon&);
};

constexpr List kLists[] = {{"grants", grants}, {"users", users}, {"bans", bans}};

Reply run(Daemon& daemon, Role role, const std::string& name, const json& request) {
    const auto verb = std::ranges::find(kVerbs, name, &Verb::name);
    if (verb == std::end(kVerbs))
        return Error{"there is no verb " + in_quotes(name), {}, Exit::usage};
    if (verb->role == Role::admin && role != Role::admin)
        return Error{"you may look, but not " + name, "be root, or a member of control.admin_group"};
    try {
        return verb->run(daemon, request);
    } catch (const json::exception&) { // a field of another type than the verb's
        return Error{"a field of the request has the wrong type", {}, Exit::usage};
    }
}

// Text of a foreign encoding must not end the daemon: what is not UTF-8 is replaced.
std::string text_of(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

control::Answer answer_of(Rows rows) {
    std::string head = "{";
    for (const auto& [name, value] : rows.more.items())
        head += text_of(name) + ":" + text_of(value) + ",";
    head += text_of(rows.name) + ":[";
    return {head, [next = std::move(rows.next), first = true](std::string& out) mutable {
                const auto row = next();
                if (row)
                    out += (first ? "" : ",") + text_of(*row);
                else
                    out += "]}";
                first = false;
                return row.has_value();
            }};
}

} // namespace

control::Answer answer(Daemon& daemon, Role role, const std::string& request) {
    const json parsed = json::parse(request, nullptr, false);
    if (parsed.is_discarded())
        return text_of(error_of({"the request is not JSON", {}, Exit::usage}));
    if (!parsed.is_object() || !parsed.contains("verb") || !parsed["verb"].is_string())
        return text_of(error_of({"the request is not a JSON object with a verb", {}, Exit::usage}));
    const std::string name = parsed["verb"];
    if (const auto list = std::ranges::find(kLists, name, &List::name); list != std::end(kLists))
        return answer_of(list->rows(daemon));
    const Reply reply = run(daemon, role, name, parsed);
    return text_of(reply ? *reply : error_of(reply.error()));
}

} // namespace xk
