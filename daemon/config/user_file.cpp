// SPDX-License-Identifier: MIT
#include "daemon/config/user_file.h"

#include "daemon/config/forms.h"

#include <algorithm>

namespace xk::config {
namespace {

using yaml::EmptyList;
using yaml::Form;
using yaml::Most;
using yaml::Style;

constexpr std::pair<std::string_view, authz::Binding> kBindings[] = {
    {"any", authz::Binding::any}, {"match", authz::Binding::match}, {"explicit", authz::Binding::explicit_}};

Result<authz::Binding> parse_binding(std::string_view text) {
    for (const auto& [name, binding] : kBindings)
        if (text == name)
            return binding;
    return Error{in_quotes(text) + " is neither any, match nor explicit", {}};
}

std::string binding_text(authz::Binding binding) {
    const auto found = std::ranges::find(kBindings, binding, [](const auto& pair) { return pair.second; });
    return std::string(found->first);
}

Result<authz::KnockMode> parse_mode(std::string_view text) {
    const auto found = std::ranges::find(authz::kKnockModeNames, text);
    if (found == authz::kKnockModeNames.end())
        return Error{in_quotes(text) + " is no way of knocking",
                     "packet, sequence, c-lock, handshake, capyknock, fwknop"};
    return static_cast<authz::KnockMode>(found - authz::kKnockModeNames.begin());
}

std::string mode_text(authz::KnockMode mode) {
    return std::string(authz::kKnockModeNames[static_cast<std::size_t>(mode)]);
}

constexpr Form kKnockMode{parse_mode, mode_text, Style::bare};
constexpr Most kMostModes{authz::kKnockModes, "modes"};
constexpr Form kBinding{parse_binding, binding_text, Style::bare};
constexpr Form kHours{parse_week_hours, [](const WeekHours& hours) { return text_of(hours); }, Style::text};
constexpr Most kMostNetworks{authz::kMaxNetworks, "networks"};
constexpr Most kMostHours{authz::kMaxHours, "spans of time in a week"};

// Any text, if the configuration has a service of this name.
auto service_form(const CheckService& check) {
    return Form{[&check](std::string_view text) -> Result<std::string> {
                    auto known = text == kAllServices ? Result<void>() : check(text);
                    return known ? Result(std::string(text)) : known.error();
                },
                [](const std::string& text) { return text; }, Style::text};
}

const auto describe_lockout = [](auto& fields) {
    fields.optional("free", &LockoutFile::free, yaml::number_form<std::uint32_t>(0, 1000));
    fields.optional("most", &LockoutFile::most, yaml::number_form<std::uint32_t>(1, 1000));
    fields.optional("first", &LockoutFile::first, kLifetime);
    fields.optional("longest", &LockoutFile::longest, kLifetime);
    const LockoutFile& lockout = fields.object();
    fields.check(lockout.free < lockout.most, nullptr, "\"free\" wrong codes must be fewer than \"most\"");
    fields.check(!lockout.longest || lockout.first <= *lockout.longest, nullptr,
                 "\"first\" is longer than \"longest\"");
};

template <typename Fields>
void describe(Fields& fields, const CheckService& check_service) {
    fields.required("name", &UserFile::name, yaml::kName);
    fields.required_list_or("services", kAllServices, &UserFile::services, service_form(check_service));
    fields.optional("enabled", &UserFile::enabled, yaml::kTruth);
    fields.list("modes", &UserFile::modes, kKnockMode, EmptyList::fault, kMostModes);
    fields.optional("binding", &UserFile::binding, kBinding);
    fields.list("networks", &UserFile::networks, kNetwork, EmptyList::fault, kMostNetworks);
    fields.list("explicit_networks", &UserFile::explicit_networks, kNetwork, EmptyList::fault, kMostNetworks);
    const UserFile& user = fields.object();
    fields.check(user.explicit_networks.empty() || user.binding == authz::Binding::explicit_, "explicit_networks",
                 "\"explicit_networks\" is for \"binding: explicit\" only");
    fields.list("hours", &UserFile::hours, kHours, EmptyList::fault, kMostHours,
                [](const WeekHours& hours) { return spans_of(hours).size(); });
    fields.mapping("lockout", &UserFile::lockout, describe_lockout);
    fields.optional("lifetime", &UserFile::lifetime, kLifetime);
    fields.optional("max_lifetime", &UserFile::max_lifetime, kLifetime);
    fields.check(user.max_lifetime.count() == 0 || user.lifetime <= user.max_lifetime, nullptr,
                 "lifetime is longer than max_lifetime");
    fields.optional("valid_from", &UserFile::valid_from, kDate);
    fields.optional("valid_until", &UserFile::valid_until, kDate);
    fields.check(!user.valid_from || !user.valid_until || *user.valid_from < *user.valid_until, nullptr,
                 "valid_until is not after valid_from");
}

void set_networks(authz::NetworkList& to, const std::vector<Prefix>& from) {
    to.count = static_cast<std::uint32_t>(std::min(from.size(), authz::kMaxNetworks));
    std::copy_n(from.begin(), to.count, to.networks);
}

} // namespace

UserFile read_user_file(yaml::Section& section, const CheckService& check_service) {
    UserFile user;
    yaml::FieldReader<UserFile> fields(section, user);
    describe(fields, check_service);
    section.finish();
    return user;
}

Result<std::string> user_file_text(const UserFile& user, std::string_view head) {
    // A user may be written before their service is. The next load checks that there is one.
    const CheckService check = [](std::string_view name) -> Result<void> {
        auto parsed = yaml::parse_name(name);
        return parsed ? Result<void>() : parsed.error();
    };
    return yaml::write_fields(
        user, [&](auto& fields) { describe(fields, check); }, head);
}

authz::Credential rights_of(const UserFile& user) {
    authz::Credential rights;
    rights.user = authz::Name(user.name);
    rights.enabled = user.enabled;
    rights.binding = user.binding;
    if (!user.modes.empty())
        rights.modes.reset();
    for (const authz::KnockMode mode : user.modes)
        rights.modes.set(static_cast<std::size_t>(mode));
    set_networks(rights.networks, user.networks);
    set_networks(rights.explicit_networks, user.explicit_networks);
    for (const WeekHours& hours : user.hours)
        for (const auto& span : spans_of(hours))
            if (rights.hours.count < authz::kMaxHours)
                rights.hours.spans[rights.hours.count++] = span;
    const LockoutFile& lockout = user.lockout;
    rights.lockout.free = lockout.free;
    rights.lockout.most = lockout.most;
    rights.lockout.first = lockout.first;
    rights.lockout.longest = lockout.longest.value_or(std::max(rights.lockout.longest, lockout.first));
    rights.lifetime = user.lifetime;
    rights.max_lifetime = user.max_lifetime;
    rights.valid_from = user.valid_from.value_or(WallTime::min());
    rights.valid_until = user.valid_until.value_or(WallTime::max());
    return rights;
}

} // namespace xk::config
