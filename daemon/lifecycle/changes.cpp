// SPDX-License-Identifier: MIT
// Makes the text of a reload's event. It tells operators whether the reload changed what they meant to change.
#include "daemon/lifecycle/reload.h"

#include <algorithm>
#include <map>

namespace xk {
namespace {

bool same(const authz::NetworkList& a, const authz::NetworkList& b) {
    return std::equal(a.networks, a.networks + a.count, b.networks, b.networks + b.count);
}

bool same(const authz::Hours& a, const authz::Hours& b) {
    return std::equal(a.spans, a.spans + a.count, b.spans, b.spans + b.count,
                      [](const auto& x, const auto& y) { return x.from == y.from && x.until == y.until; });
}

bool same(const authz::Lockout& a, const authz::Lockout& b) {
    return a.free == b.free && a.first == b.first && a.longest == b.longest && a.most == b.most;
}

// Ignores `services`: its bits are indices, and another service may have shifted them.
bool same(const authz::Credential& a, const authz::Credential& b) {
    return a.user.view() == b.user.view() && a.device.view() == b.device.view() && a.factor == b.factor &&
           a.totp_digits == b.totp_digits && a.enabled == b.enabled && a.binding == b.binding &&
           a.lifetime == b.lifetime && a.max_lifetime == b.max_lifetime && a.valid_from == b.valid_from &&
           a.valid_until == b.valid_until && same(a.networks, b.networks) &&
           same(a.explicit_networks, b.explicit_networks) && same(a.hours, b.hours) && same(a.lockout, b.lockout) &&
           a.modes == b.modes && a.legacy == b.legacy;
}

bool same(const authz::Service& a, const authz::Service& b) {
    return std::ranges::equal(a.all_ports(), b.all_ports()) && a.target4 == b.target4 && a.target6 == b.target6 &&
           a.published == b.published && a.lifetime == b.lifetime && a.max_lifetime == b.max_lifetime &&
           a.after == b.after && a.idle == b.idle && a.max_connections == b.max_connections &&
           a.single_use == b.single_use;
}

// Returns the hooks by the name of the service, because its index may have shifted.
auto hooks_by_service(const config::Config& config) {
    std::map<std::string_view, std::pair<std::vector<std::string>, std::vector<std::string>>> found;
    for (std::size_t i = 0; i < config.hooks.services.size() && i < config.policy.services.size(); ++i)
        if (const config::ServiceHooks& hooks = config.hooks.services[i];
            !hooks.on_open.empty() || !hooks.on_close.empty())
            found.emplace(config.policy.services[i].name.view(), std::pair(hooks.on_open, hooks.on_close));
    return found;
}

bool same_hooks(const config::Config& a, const config::Config& b) {
    return a.hooks.time_limit == b.hooks.time_limit && hooks_by_service(a) == hooks_by_service(b);
}

std::vector<std::string> names_of_services(const authz::Policy& policy, const authz::Credential& credential) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < policy.services.size(); ++i)
        if (credential.services.test(i))
            names.emplace_back(policy.services[i].name.view());
    std::ranges::sort(names);
    return names;
}

// "2 credentials added, 1 removed, 3 changed"; empty where none is.
std::string counted(const char* what, std::size_t added, std::size_t removed, std::size_t changed) {
    std::string text;
    for (const auto& [count, how] : {std::pair(added, "added"), {removed, "removed"}, {changed, "changed"}})
        if (count > 0)
            text +=
                (text.empty() ? std::to_string(count) + " " + what + " " : ", " + std::to_string(count) + " ") + how;
    return text;
}

// `users`: whose credentials are compared; none: everybody's.
std::string credentials_text(const authz::Policy& before, const authz::Policy& after,
                             const std::set<std::string>* users) {
    const auto is_meant = [&](const authz::Credential& one) {
        return users == nullptr || users->contains(std::string(one.user.view()));
    };
    std::map<wire::CredentialId, const authz::Credential*> old;
    for (const authz::Credential& one : before.credentials)
        if (is_meant(one))
            old.emplace(one.id, &one);
    std::size_t added = 0, changed = 0;
    for (const authz::Credential& one : after.credentials) {
        if (!is_meant(one))
            continue;
        const auto found = old.find(one.id);
        if (found == old.end()) {
            ++added;
            continue;
        }
        changed +=
            !same(*found->second, one) || names_of_services(before, *found->second) != names_of_services(after, one);
        old.erase(found);
    }
    return counted("credentials", added, old.size(), changed);
}

std::string services_text(const authz::Policy& before, const authz::Policy& after) {
    std::map<std::string_view, const authz::Service*> old;
    for (const authz::Service& one : before.services)
        old.emplace(one.name.view(), &one);
    std::size_t added = 0, changed = 0;
    for (const authz::Service& one : after.services) {
        const auto found = old.find(one.name.view());
        if (found == old.end()) {
            ++added;
            continue;
        }
        changed += !same(*found->second, one);
        old.erase(found);
    }
    return counted("services", added, old.size(), changed);
}

} // namespace

std::string text_of_changes(const config::Config& before, const config::Config& after) {
    std::string text;
    const auto add = [&](const std::string& what) { text += (text.empty() || what.empty() ? "" : "; ") + what; };
    add(credentials_text(before.policy, after.policy, nullptr));
    add(services_text(before.policy, after.policy));
    const std::pair<bool, const char*> settings[] = {
        {before.interfaces != after.interfaces, "interfaces"},
        {before.port != after.port, "port"},
        {before.answer_as_closed != after.answer_as_closed, "stealth"},
        {before.allow_generic != after.allow_generic || before.run_priority != after.run_priority ||
             before.drop_syn != after.drop_syn,
         "xdp"},
        {before.local_addresses != after.local_addresses, "local_addresses"},
        {before.gate_closed != after.gate_closed, "gate.stealth"},
        {before.allow != after.allow, "gate.allow"},
        {before.never_ban != after.never_ban, "never_ban"},
        {before.shut_on_failure != after.shut_on_failure, "gate.on_failure"},
        {before.max_grants != after.max_grants, "gate.max_grants"},
        {!same_hooks(before, after), "hooks"},
        {before.admin_group != after.admin_group || before.read_group != after.read_group, "control"},
        {before.policy.settings.skew != after.policy.settings.skew, "skew"},
        {before.capyknock_port != after.capyknock_port || before.fwknop_port != after.fwknop_port, "legacy"},
        {before.policy.settings.sequence != after.policy.settings.sequence ||
             before.max_guess_odds != after.max_guess_odds,
         "sequence"},
        {before.policy.settings.c_lock != after.policy.settings.c_lock || before.c_lock != after.c_lock, "c_lock"},
        {before.disabled.size() != after.disabled.size(), "files with faults"}};
    for (const auto& [differs, name] : settings)
        if (differs)
            add(name);
    return text.empty() ? "nothing" : text;
}

std::string text_of_changes(const config::Config& before, const config::Config& after,
                            const std::set<std::string>& users) {
    std::string text = credentials_text(before.policy, after.policy, &users);
    if (before.disabled.size() != after.disabled.size())
        text += std::string(text.empty() ? "" : "; ") + "files with faults";
    return text.empty() ? "nothing" : text;
}

} // namespace xk
