// SPDX-License-Identifier: MIT
#include "daemon/config/user_rules.h"

#include "protocol/base/duration.h"
#include "protocol/base/quote.h"

#include <algorithm>

namespace xk::config {
namespace {

using yaml::Scalar;
using yaml::Section;

constexpr int kDay = 24 * 60, kWeek = 7 * kDay; // minutes
constexpr std::string_view kDays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

std::optional<int> day_of(std::string_view text) {
    const auto found = std::ranges::find(kDays, text);
    return found == std::end(kDays) ? std::nullopt : std::optional(static_cast<int>(found - std::begin(kDays)));
}

// "08:00", up to "24:00": minutes.
std::optional<int> minute_of(std::string_view text) {
    const auto digit = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '9' ? text[i] - '0' : -1; };
    if (text.size() != 5 || text[2] != ':' || digit(0) < 0 || digit(1) < 0 || digit(3) < 0 || digit(4) < 0)
        return std::nullopt;
    const int hour = 10 * digit(0) + digit(1), minute = 10 * digit(3) + digit(4);
    return minute < 60 && hour * 60 + minute <= kDay ? std::optional(hour * 60 + minute) : std::nullopt;
}

// "mon-fri" or "mon": first and last.
std::optional<std::pair<int, int>> days_of(std::string_view text) {
    const auto dash = text.find('-');
    const auto first = day_of(text.substr(0, dash));
    const auto last = dash == text.npos ? first : day_of(text.substr(dash + 1));
    return first && last ? std::optional(std::pair(*first, *last)) : std::nullopt;
}

void add_span(std::vector<authz::Hours::Span>& spans, int from, int until) {
    const auto add = [&](int a, int b) {
        if (a < b)
            spans.push_back({static_cast<std::uint16_t>(a), static_cast<std::uint16_t>(b)});
    };
    add(from, std::min(until, kWeek));
    add(0, until - kWeek); // over the end of Saturday
}

void read_binding(Section& section, authz::Credential& rights) {
    const auto binding = section.scalar("binding");
    if (!binding)
        return;
    if (binding->value == "any")
        rights.binding = authz::Binding::any;
    else if (binding->value == "match")
        rights.binding = authz::Binding::match;
    else if (binding->value == "explicit")
        rights.binding = authz::Binding::explicit_;
    else
        section.faults().add(binding->place, in_quotes(binding->value) + " is neither any, match nor explicit");
}

void set_networks(authz::NetworkList& to, const std::vector<Prefix>& from) {
    to.count = static_cast<std::uint32_t>(from.size());
    std::ranges::copy(from, to.networks);
}

void read_hours(Section& section, authz::Hours& hours) {
    for (const Scalar& text : section.scalars("hours").value_or(std::vector<Scalar>{})) {
        const auto spans = section.parse_at(text, parse_hours);
        for (const auto& span : spans.value_or(std::vector<authz::Hours::Span>{})) {
            if (hours.count == authz::kMaxHours)
                return section.faults().add(text.place, "these are more than " + std::to_string(authz::kMaxHours) +
                                                            " spans of time in a week");
            hours.spans[hours.count++] = span;
        }
    }
}

void read_lockout(Section& section, authz::Lockout& lockout) {
    auto rules = section.section("lockout");
    if (!rules)
        return;
    const auto number = [&](const char* key, std::uint32_t& to, std::uint64_t low) {
        if (const auto value = rules->number(key, low, 1000))
            to = static_cast<std::uint32_t>(*value);
    };
    number("free", lockout.free, 0);
    number("most", lockout.most, 1);
    lockout.first = rules->parsed("first", parse_lifetime).value_or(lockout.first);
    lockout.longest = rules->parsed("longest", parse_lifetime).value_or(std::max(lockout.longest, lockout.first));
    if (lockout.free >= lockout.most)
        rules->faults().add(rules->place(), "\"free\" wrong codes must be fewer than \"most\"");
    if (lockout.first > lockout.longest)
        rules->faults().add(rules->place(), "\"first\" is longer than \"longest\"");
    rules->finish();
}

} // namespace

void read_user_rules(Section& section, authz::Credential& rights) {
    read_binding(section, rights);
    set_networks(rights.networks, read_networks(section, "networks", authz::kMaxNetworks));
    set_networks(rights.explicit_networks, read_networks(section, "explicit_networks", authz::kMaxNetworks));
    if (rights.explicit_networks.count != 0 && rights.binding != authz::Binding::explicit_)
        section.faults().add(section.place_of_key("explicit_networks"),
                             "\"explicit_networks\" is for \"binding: explicit\" only");
    read_hours(section, rights.hours);
    read_lockout(section, rights.lockout);
    rights.lifetime = section.parsed("lifetime", parse_lifetime).value_or(std::chrono::seconds(0));
    rights.max_lifetime = section.parsed("max_lifetime", parse_lifetime).value_or(std::chrono::seconds(0));
    if (rights.max_lifetime.count() != 0 && rights.lifetime > rights.max_lifetime)
        section.faults().add(section.place(), "lifetime is longer than max_lifetime");
    rights.valid_from = section.parsed("valid_from", parse_date).value_or(WallTime::min());
    rights.valid_until = section.parsed("valid_until", parse_date).value_or(WallTime::max());
    if (rights.valid_from >= rights.valid_until)
        section.faults().add(section.place(), "valid_until is not after valid_from");
}

std::vector<Prefix> read_networks(Section& section, std::string_view key, std::size_t most, yaml::EmptyList empty) {
    std::vector<Prefix> networks;
    for (const Scalar& text : section.scalars(key, empty).value_or(std::vector<Scalar>{})) {
        const auto prefix = section.parse_at(text, Prefix::parse);
        if (prefix && networks.size() == most)
            section.faults().add(text.place, "these are more than " + std::to_string(most) + " networks");
        if (prefix && networks.size() < most)
            networks.push_back(*prefix);
    }
    return networks;
}

Result<std::chrono::seconds> parse_lifetime(std::string_view text) {
    auto lifetime = parse_duration(text);
    if (lifetime && lifetime->count() == 0)
        return Error{in_quotes(text) + " is no time at all", {}};
    return lifetime;
}

Result<WallTime> parse_date(std::string_view text) {
    using namespace std::chrono;
    int numbers[6] = {0, 1, 1, 0, 0, 0};
    constexpr std::string_view kForm = "dddd-dd-ddTdd:dd:ddZ";
    const Error bad{in_quotes(text) + " is not a date", "write 2026-12-31 or 2026-12-31T23:59:59Z, both in UTC"};
    if (text.size() != 10 && text.size() != kForm.size())
        return bad;
    for (std::size_t i = 0, field = 0; i < text.size(); ++i) {
        if (kForm[i] != 'd') {
            if (text[i] != kForm[i])
                return bad;
            ++field;
            if (field < 6)
                numbers[field] = 0;
            continue;
        }
        if (text[i] < '0' || text[i] > '9')
            return bad;
        numbers[field] = 10 * numbers[field] + (text[i] - '0');
    }
    const year_month_day date{year(numbers[0]), month(static_cast<unsigned>(numbers[1])),
                              day(static_cast<unsigned>(numbers[2]))};
    if (!date.ok() || numbers[3] > 23 || numbers[4] > 59 || numbers[5] > 59)
        return bad;
    return WallTime(sys_days(date) + hours(numbers[3]) + minutes(numbers[4]) + seconds(numbers[5]));
}

Result<std::vector<authz::Hours::Span>> parse_hours(std::string_view text) {
    const Error bad{in_quotes(text) + " is not a time of the week",
                    "write \"mon-fri 08:00-18:00\", \"sat 22:00-02:00\" or \"sun\""};
    const auto space = text.find(' ');
    const auto days = days_of(text.substr(0, space));
    if (!days)
        return bad;
    int from = 0, until = kDay;
    if (space != text.npos) {
        const std::string_view clock = text.substr(space + 1);
        const auto dash = clock.find('-');
        const auto begin = minute_of(clock.substr(0, dash));
        const auto end = dash == clock.npos ? std::nullopt : minute_of(clock.substr(dash + 1));
        if (!begin || !end || *begin == *end || *begin == kDay)
            return bad;
        from = *begin;
        until = *end > from ? *end : *end + kDay; // over midnight
    }
    std::vector<authz::Hours::Span> spans;
    for (int day = days->first;; day = (day + 1) % 7) {
        add_span(spans, day * kDay + from, day * kDay + until);
        if (day == days->second)
            return spans;
    }
}

} // namespace xk::config
