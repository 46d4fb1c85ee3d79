// SPDX-License-Identifier: MIT
#include "daemon/config/hooks.h"

#include "daemon/config/config.h"
#include "daemon/config/sections.h"
#include "protocol/base/duration.h"
#include "protocol/base/quote.h"

#include <algorithm>

namespace xk::config {
namespace {

using yaml::Place;
using yaml::Scalar;
using yaml::Section;

constexpr std::chrono::seconds kMinLimit{1}, kMaxLimit{5 * 60};

std::vector<std::string> read_arguments(Section& service, std::string_view key) {
    const auto words = service.scalars(key, yaml::EmptyList::fine);
    if (!words)
        return {};
    const auto fault = [&](const Place& place, const std::string& text, const std::string& hint = {}) {
        service.faults().add(place, text, hint);
        return std::vector<std::string>();
    };
    if (words->empty())
        return fault(service.place_of_key(key), "\"" + std::string(key) + "\" names no program");
    std::vector<std::string> arguments;
    std::size_t bytes = 0;
    for (const Scalar& word : *words) {
        if (word.value.find('\0') != std::string::npos)
            return fault(word.place, "an argument cannot hold a zero byte");
        bytes += word.value.size() + 1;
        arguments.push_back(word.value);
    }
    if (!arguments.front().starts_with('/'))
        return fault(words->front().place, in_quotes(arguments.front()) + " is not an absolute path",
                     "no shell looks for it: write the whole path, and each argument as one item of the list");
    if (arguments.size() > kMaxHookArguments || bytes > kMaxHookBytes)
        return fault(words->front().place, "a hook has at most " + std::to_string(kMaxHookArguments) +
                                               " arguments of " + std::to_string(kMaxHookBytes) + " bytes together");
    return arguments;
}

void check_account(const Config& config, const Place& place, yaml::Faults& faults) {
    const Account& account = config.hooks.account;
    const std::string who = "the hooks' user " + in_quotes(account.name);
    if (account.uid == 0 || account.gid == 0)
        faults.add(place, who + " is root, or of root's group");
    else if (account.uid == config.account.uid || account.uid == config.worker_account.uid)
        faults.add(place, who + " must be another than process.user and process.worker_user");
    else if (account.gid == config.account.gid)
        faults.add(place, who + " has the group that reads the keys", "give it a group of its own");
    else if (config.admin_group == account.gid)
        faults.add(place, who + " has the group control.admin_group", "give it a group of its own");
}

} // namespace

ServiceHooks read_service_hooks(Section& service) {
    return {read_arguments(service, "on_open"), read_arguments(service, "on_close")};
}

void read_hooks(Section& main, Config& config) {
    auto section = main.section("hooks");
    const auto user = section ? section->scalar("user") : std::nullopt;
    const auto limit = section ? section->scalar("time_limit") : std::nullopt;
    if (section)
        section->finish();
    if (limit)
        if (const auto value = main.parse_at(*limit, parse_duration)) {
            config.hooks.time_limit = *value;
            if (*value < kMinLimit || *value > kMaxLimit)
                main.faults().add(limit->place, "the hooks' time_limit must be from " + duration_text(kMinLimit) +
                                                    " to " + duration_text(kMaxLimit));
        }
    if (!user && !config.hooks.any())
        return; // without a hook the default user need not exist
    const Scalar name = user.value_or(Scalar{"nobody", {config.file, 0, 0}});
    const auto account = main.parse_at(name, [](std::string_view text) {
        auto found = find_account(text);
        return found ? std::move(found) : Error{found.error().message, "hooks.user is whom hooks run as"};
    });
    if (!account)
        return;
    config.hooks.account = *account;
    if (main.faults().empty()) // after a fault the users to compare it with may be missing
        check_account(config, name.place, main.faults());
}

bool Hooks::any() const {
    return std::ranges::any_of(services,
                               [](const ServiceHooks& s) { return !s.on_open.empty() || !s.on_close.empty(); });
}

} // namespace xk::config
