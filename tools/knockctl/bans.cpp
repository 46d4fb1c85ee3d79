// SPDX-License-Identifier: MIT
#include "tools/knockctl/bans.h"

#include "protocol/base/duration.h"
#include "protocol/base/quote.h"
#include "tools/knockctl/show.h"

#include <charconv>
#include <iostream>
#include <optional>

namespace xk::tools {
namespace {

using nlohmann::json;

// "30s", or what fail2ban has: a number of seconds, negative for ever.
Result<std::optional<std::chrono::seconds>> parse_ban_time(const std::string& text) {
    long long number = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (code == std::errc{} && end == text.data() + text.size()) {
        if (number < 0)
            return std::optional<std::chrono::seconds>();
        if (number <= UINT32_MAX)
            return std::optional(std::chrono::seconds(number));
    }
    auto time = parse_duration(text);
    if (!time)
        return time.error();
    return std::optional(*time);
}

// Asks for what standard input names, a thousand at a time, which is a transaction each. `done` is the reply's number.
int for_all(const Control& control, json request, const char* done) {
    constexpr std::size_t kAtOnce = 1000;
    std::size_t number = 0;
    json refused = json::array();
    bool more = true;
    while (more) {
        json prefixes = json::array();
        std::string line;
        while (prefixes.size() < kAtOnce && (more = static_cast<bool>(std::getline(std::cin, line)))) {
            line.erase(line.find_last_not_of(" \t\r") + 1);
            line.erase(0, line.find_first_not_of(" \t"));
            if (!line.empty() && line[0] != '#')
                prefixes.push_back(line);
        }
        if (prefixes.empty())
            continue;
        request["prefixes"] = std::move(prefixes);
        const auto reply = control.ask(request);
        if (!reply)
            return fail(reply.error());
        number += reply->at(done).get<std::size_t>();
        for (const json& each : reply->at("refused"))
            refused.push_back(each);
    }
    if (control.as_json)
        std::cout << text_of({{done, number}, {"refused", refused}}, 2) << "\n";
    else
        std::cout << done << " " << number << "\n";
    for (const json& each : refused)
        std::cerr << "knockctl: " << printable(each.at("prefix").get<std::string>()) << ": "
                  << printable(each.at("error").get<std::string>(), 500) << "\n";
    return refused.empty() ? 0 : static_cast<int>(Exit::failed);
}

// What was taken away, and who else still bans the address.
std::string show_unbanned(const json& reply, const std::string& what) {
    const bool ended = reply.value("unbanned", 0) != 0;
    const json& still = reply.at("still_banned");
    if (still.empty())
        return (ended ? "unbanned " : "was not banned: ") + printable(what) + "\n";
    return (ended ? "took away a ban of " + printable(what) : "no such ban of " + printable(what)) +
           "; it is still banned:\n" + show_bans({{"bans", still}});
}

} // namespace

int run_ban(const Control& control, const BanOptions& options) {
    if (options.what.empty() != options.from_input)
        return fail(Error{"ban whom?", "an address or network, or --stdin", Exit::usage});
    json request = {{"verb", "ban"}, {"reason", options.reason}, {"ipv6_prefix", options.ipv6_prefix}};
    if (!options.time.empty()) {
        auto parsed = parse_ban_time(options.time);
        if (!parsed)
            return fail(Error{parsed.error().message, parsed.error().hint, Exit::usage});
        if (*parsed)
            request["seconds"] = (**parsed).count();
    }
    if (options.from_input)
        return for_all(control, request, "banned");
    request["prefix"] = options.what;
    return control.ask(request, [](const json& r) { return "banned " + r.value("banned", "") + "\n"; });
}

int run_unban(const Control& control, const BanOptions& options) {
    if (int{!options.what.empty()} + int{options.from_input} + int{options.all} != 1)
        return fail(Error{"unban whom?", "an address or network, --stdin, or --all", Exit::usage});
    if (!options.family.empty() && !options.all)
        return fail(Error{"--family goes with --all", {}, Exit::usage});
    json request = {{"verb", "unban"}};
    if (options.has_reason)
        request["reason"] = options.reason;
    if (options.from_input)
        return for_all(control, request, "unbanned");
    if (options.all) {
        request["all"] = true;
        request["family"] = options.family;
        return control.ask(request,
                           [](const json& r) { return "unbanned " + std::to_string(r.value("unbanned", 0u)) + "\n"; });
    }
    request["prefix"] = options.what;
    return control.ask(request, [&](const json& r) { return show_unbanned(r, options.what); });
}

} // namespace xk::tools
