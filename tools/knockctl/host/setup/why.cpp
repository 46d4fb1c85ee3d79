// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/setup/why.h"

#include "protocol/base/quote.h"

#include <array>
#include <map>
#include <string_view>

namespace xk::tools::setup {
namespace {

using nlohmann::json;
using Counts = std::map<std::string, std::uint64_t>;

// What most often is behind a counter, for the person who tries it for the first time.
struct Meaning {
    std::string_view name, text;
};
constexpr std::array<Meaning, 7> kFilter = {{
    {"tag", "packets that no device's key made now: another profile, another server, or a clock that is off by more "
            "than 30 s"},
    {"length", "packets that are no knocks"},
    {"mac", "packets that were changed on the way"},
    {"expired", "knocks of a clock that is a little off"},
    {"banned", "packets of banned addresses"},
    {"disabled", "knocks of a disabled user or device"},
    {"ring-full", "knocks for which there was no room"},
}};
constexpr std::array<Meaning, 8> kRefused = {{
    {"wrong-code", "the code was wrong: another entry of the authenticator, or its clock"},
    {"code-used", "the code had been used before: wait for the next one"},
    {"proof-form", "that was no code"},
    {"stale", "the client's clock is behind"},
    {"future", "the client's clock is ahead"},
    {"horizon", "the knock is older than this start: try again in a minute"},
    {"locked", "too many wrong codes: knockctl unlock USER"},
    {"service", "there is no such service, or not for this user"},
}};

std::uint64_t number_in(const json& stats, const char* part, const std::string& name) {
    const auto group = stats.find(part);
    if (group == stats.end() || !group->is_object())
        return 0;
    const auto field = group->find(name);
    return field != group->end() && field->is_number_unsigned() ? field->get<std::uint64_t>() : 0;
}

Counts new_counts(const Course& course, const char* part) {
    Counts counts;
    const auto group = course.after.find(part);
    if (group == course.after.end() || !group->is_object())
        return counts;
    for (const auto& [name, value] : group->items()) {
        const std::uint64_t now = number_in(course.after, part, name), then = number_in(course.before, part, name);
        if (now > then)
            counts[name] = now - then;
    }
    return counts;
}

template <std::size_t N>
std::string lines_of(const Counts& counts, const std::array<Meaning, N>& meanings, const std::string& what) {
    std::string lines;
    for (const Meaning& meaning : meanings)
        if (const auto found = counts.find(std::string(meaning.name)); found != counts.end())
            lines += "  " + std::to_string(found->second) + " x " + what + found->first + ": " +
                     std::string(meaning.text) + "\n";
    return lines;
}

std::string others(const Counts& counts, const std::string& known) {
    std::string lines;
    for (const auto& [name, count] : counts)
        if (known.find(" x refused as " + name + ":") == std::string::npos)
            lines += "  " + std::to_string(count) + " x refused as " + printable(name) + "\n";
    return lines;
}

} // namespace

std::string why_nothing_came(const Course& course) {
    const Counts filter = new_counts(course, "filter"), refused = new_counts(course, "refused");
    std::string text;
    for (const std::string& opened : course.opened)
        text += "  a knock opened " + opened +
                ", and no connection came from there: does another firewall drop it "
                "(knockctl doctor)?\n";
    const std::string known = lines_of(refused, kRefused, "refused as ");
    text += known + others(refused, known) + lines_of(filter, kFilter, "dropped as ");
    if (text.empty())
        text = "  no knock arrived at udp/" + std::to_string(course.port) +
               ": does a firewall in front of this host let it through, and has the client the right address?\n";
    for (const Address& address : course.allowed)
        text += "  a connection came from " + address.text() +
                ": gate.allow lets it in without a knock, so it proves nothing\n";
    text.pop_back();
    return text;
}

} // namespace xk::tools::setup
