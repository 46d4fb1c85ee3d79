// SPDX-License-Identifier: MIT
#include "fake_daemon.h"

namespace xk::verbs::test {
namespace {

std::string text_of(const std::optional<TcpSession>& session) {
    return session ? " but " + session->remote.text() + ":" + std::to_string(session->remote_port) + " to " +
                         session->local.text() + ":" + std::to_string(session->local_port)
                   : "";
}

std::string text_of(const std::vector<Prefix>& prefixes) {
    std::string text;
    for (const Prefix& prefix : prefixes)
        text += " " + prefix.text();
    return text;
}

std::string text_of(const GrantCloser::Credentials& credentials) {
    std::string text;
    for (const wire::CredentialId& id : credentials)
        text += " " + std::to_string(id[0]) + "." + std::to_string(id[1]);
    return text;
}

authz::Credential make_credential(const wire::CredentialId& id, const char* user, const char* device,
                                  FactorKind factor) {
    authz::Credential credential;
    credential.id = id;
    credential.user = authz::Name(user);
    credential.device = authz::Name(device);
    credential.factor = factor;
    return credential;
}

} // namespace

FakeDaemon::FakeDaemon() {
    set_config(make_config());
    counters = {{"candidate", 11}, {"seen", 2}};
    opened = {.answer = authz::Answer::done, .service = "ssh", .lifetime = std::chrono::seconds(600), .error = {}};
}

config::Config FakeDaemon::make_config() {
    config::Config config;
    config.file = "/etc/xknock/xknock.yaml";
    for (const char* name : {"ssh", "web", "vpn"}) {
        authz::Service service;
        service.name = authz::Name(name);
        config.policy.services.push_back(service);
    }
    config.policy.credentials = {make_credential(kLaptop, "anna", "laptop", FactorKind::totp),
                                 make_credential(kRobot, "anna", "robot", FactorKind::hmac),
                                 make_credential(kPhone, "bob", "phone", FactorKind::none)};
    config.policy.credentials[0].services = 0b111;
    config.policy.credentials[1].services = 0b011;
    config.policy.credentials[2].services = 0b001;
    config.policy.make_index();
    return config;
}

Result<void> FakeDaemon::act(const std::string& call) {
    calls.push_back(call);
    if (during_call)
        std::exchange(during_call, nullptr)();
    const std::string name = call.substr(0, call.find(' '));
    if (name == failing || call == failing)
        return Error{name + " failed", hint ? "look at " + name : ""};
    return {};
}

FakeDaemon::ByIndex FakeDaemon::find_states(std::shared_ptr<const config::Config>) {
    return [this](std::size_t credential) {
        const auto found = states.find(credential);
        return found == states.end() ? authz::CredentialState{} : found->second;
    };
}

Result<FakeDaemon::Counters> FakeDaemon::read_filter_counters() {
    if (auto done = act("counters"); !done)
        return done.error();
    return counters;
}

Result<void> FakeDaemon::unlock_credential(std::size_t credential) {
    return act("unlock " + std::to_string(credential));
}

Result<void> FakeDaemon::reload_users(const std::set<std::string>& users) {
    std::string call = "reload-users";
    for (const std::string& user : users)
        call += " " + user;
    return act(call);
}

std::optional<GrantRow> FakeDaemon::find_next_grant(const std::optional<authz::Pinhole>& last, const Now&) {
    for (const GrantRow& grant : grants)
        if (!last || grant.pinhole > *last)
            return grant;
    return std::nullopt;
}

FakeDaemon::Opened FakeDaemon::open_for_operator(const authz::GrantRequest& request, const Now&) {
    const auto done = act("open " + request.address.text() + " " + std::to_string(request.service) + " " +
                          request.endpoint.text() + " " + request.target.text() + " " +
                          std::to_string(request.lifetime) + (request.single_use ? " single" : ""));
    return done ? opened
                : Opened{.answer = authz::Answer::failed, .service = {}, .lifetime = {}, .error = done.error()};
}

Result<std::size_t> FakeDaemon::close_grants(const Prefix& prefix, const Now&) {
    auto done = act("close " + prefix.text());
    return done ? Result<std::size_t>(std::size_t{4}) : Result<std::size_t>(done.error());
}

Result<std::size_t> FakeDaemon::close_grants(const Credentials& credentials, const Now&) {
    auto done = act("close" + text_of(credentials));
    return done ? Result<std::size_t>(credentials.size()) : Result<std::size_t>(done.error());
}

Result<FakeDaemon::Sessions> FakeDaemon::end_sessions(const Prefix& prefix, const std::optional<TcpSession>& session) {
    auto done = act("end " + prefix.text() + text_of(session));
    return done ? Result<Sessions>(sessions) : Result<Sessions>(done.error());
}

Result<FakeDaemon::Sessions> FakeDaemon::end_sessions(const Credentials& credentials,
                                                      const std::optional<TcpSession>& session) {
    auto done = act("end" + text_of(credentials) + text_of(session));
    return done ? Result<Sessions>(sessions) : Result<Sessions>(done.error());
}

void FakeDaemon::expire_bans(const Now& now) { book.expire(now.boot); }

Result<FakeDaemon::Banned> FakeDaemon::ban_prefixes(const Order& order, const Now& now) {
    if (auto done = act("ban" + text_of(order.prefixes) + " /" + std::to_string(order.ipv6_prefix)); !done)
        return done.error();
    Banned banned{{}, {}, unfinished};
    for (const Prefix& prefix : order.prefixes) {
        if (spared.contains(prefix)) {
            banned.refused.push_back({prefix, {prefix.text() + " is an address of this host", "spare it"}});
            continue;
        }
        authz::BanClaim claim{owner_of(order.reason), prefix, std::nullopt};
        if (order.time)
            claim.until = now.boot + *order.time;
        const Prefix target =
            prefix.is_single() && !prefix.is_v4() ? Prefix::around(prefix.address, order.ipv6_prefix) : prefix;
        book.set(target, authz::with_claim(book.claims_of(target), claim));
        banned.prefixes.push_back(target);
    }
    return banned;
}

std::size_t FakeDaemon::take_bans(const std::function<bool(const Prefix&, const authz::BanClaim&)>& meant) {
    std::size_t taken = 0;
    const auto all = book.all();
    for (const auto& [prefix, claims] : all) {
        authz::BanClaims left;
        for (const authz::BanClaim& claim : claims)
            if (meant(prefix, claim))
                ++taken;
            else
                left.push_back(claim);
        book.set(prefix, left);
    }
    return taken;
}

Result<std::size_t> FakeDaemon::unban_prefixes(const std::vector<Prefix>& prefixes,
                                               const std::optional<std::string>& owner, const Now&) {
    if (auto done = act("unban" + text_of(prefixes) + (owner ? " of " + *owner : "")); !done)
        return done.error();
    return take_bans([&](const Prefix& prefix, const authz::BanClaim& claim) {
        return (!owner || claim.owner == *owner) && std::ranges::find(prefixes, prefix) != prefixes.end();
    });
}

Result<std::size_t> FakeDaemon::unban_all(Family family, const std::optional<std::string>& owner, const Now&) {
    if (auto done = act("unban all"); !done)
        return done.error();
    return take_bans([&](const Prefix& prefix, const authz::BanClaim& claim) {
        return (!owner || claim.owner == *owner) && (family == Family::any || prefix.is_v4() == (family == Family::v4));
    });
}

Result<FakeDaemon::Closed> FakeDaemon::begin_panic(const std::optional<TcpSession>& session) {
    is_in_panic = true;
    auto done = act("panic" + text_of(session));
    return done ? Result<Closed>(panic) : Result<Closed>(done.error());
}

Result<bool> FakeDaemon::end_panic() {
    if (auto done = act("panic-over"); !done)
        return done.error();
    return std::exchange(is_in_panic, false);
}

Result<void> FakeDaemon::begin_trial(std::chrono::seconds time) { return act("try " + std::to_string(time.count())); }

} // namespace xk::verbs::test
