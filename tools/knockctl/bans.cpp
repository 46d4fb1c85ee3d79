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

// "30s", or a number of seconds as fail2ban gives it: negative means for ever.
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

constexpr std::size_t kLongest = 49;         // bytes of a network: IPv6 with IPv4 in it, and 128 bits
constexpr std::size_t kMostRefused = 1000;   // that are named
constexpr std::size_t kMostLines = 10000000; // of one list, which is eighty times as many as can be banned

// Reads the next line of standard input without its blanks. A line that is longer than any address is cut, because a
// device or a file without line ends would fill the memory.
bool read_line(std::string& line) {
    line.clear();
    int c = 0;
    while ((c = std::cin.get()) != std::istream::traits_type::eof() && c != '\n')
        if (line.size() < 4 * kLongest) // with blanks around it
            line += static_cast<char>(c);
    if (line.empty() && c != '\n')
        return false;
    line.erase(line.find_last_not_of(" \t\r") + 1);
    line.erase(0, line.find_first_not_of(" \t"));
    return true;
}

// Sends the addresses of standard input a thousand at a time; each thousand is one transaction. `done` is the key of
// the reply's number.
int for_all(const Control& control, json request, const char* done) {
    constexpr std::size_t kAtOnce = 1000;
    std::size_t number = 0, lines = 0, not_named = 0;
    json refused = json::array();
    const auto refuse = [&](json each) {
        if (refused.size() < kMostRefused)
            refused.push_back(std::move(each));
        else
            ++not_named;
    };
    bool more = true;
    while (more) {
        json prefixes = json::array();
        std::string line;
        while (prefixes.size() < kAtOnce && (more = lines < kMostLines && read_line(line))) {
            ++lines;
            if (line.empty() || line[0] == '#')
                continue;
            if (line.size() <= kLongest && as_line(line) == line)
                prefixes.push_back(line);
            else // a request has a bound, which a thousand addresses do not reach
                refuse({{"prefix", as_line(line)}, {"error", "is not an address or network"}});
        }
        if (prefixes.empty())
            continue;
        request["prefixes"] = std::move(prefixes);
        const auto reply = control.ask(request);
        if (!reply)
            return fail(reply.error());
        number += reply->at(done).get<std::size_t>();
        for (const json& each : reply->at("refused"))
            refuse(each);
    }
    if (control.as_json)
        std::cout << text_of({{done, number}, {"refused", refused}}, 2) << "\n";
    else
        std::cout << done << " " << number << "\n";
    for (const json& each : refused)
        std::cerr << "knockctl: " << as_line(each.at("prefix").get<std::string>()) << ": "
                  << as_line(each.at("error").get<std::string>()) << "\n";
    if (not_named > 0)
        std::cerr << "knockctl: and " << not_named << " more\n";
    if (lines == kMostLines)
        std::cerr << "knockctl: what comes behind line " << kMostLines << " was not read\n";
    return refused.empty() && lines < kMostLines ? 0 : static_cast<int>(Exit::failed);
}

// Prints which bans ended, and which owners still ban the address.
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
