// SPDX-License-Identifier: MIT
#include "daemon/config/forms.h"
#include "daemon/config/user_file.h"

#include "etc.h"

using namespace xk;
using namespace xk::config;
using namespace std::chrono_literals;
using authz::Binding;
using test::Etc;
using test::has;

namespace {

// The rules of a user's file, and its faults.
struct Reading {
    authz::Credential rights;
    std::string faults;

    explicit Reading(const std::string& text) {
        yaml::Faults found;
        // In front of the rules, so that they stand in the lines that they are written in.
        const bool braces = text == "{}";
        const std::string whole = (braces ? std::string() : text + "\n") + "name: anna\nservices: []\n";
        if (auto section = yaml::read(whole, "f", found))
            rights = rights_of(read_user_file(*section, [](std::string_view) { return Result<void>(); }));
        if (!found.empty())
            faults = found.error().message;
    }
};

authz::Credential rules(const std::string& text) {
    const Reading reading(text);
    CHECK_MESSAGE(reading.faults.empty(), reading.faults);
    return reading.rights;
}
std::string fault_of(const std::string& text) { return Reading(text).faults; }

Address address(const char* text) { return Address::parse(text).value(); }

// "1/08:00-1/18:00": day of the week (0 is Sunday), hour and minute of each span.
std::string spans_of(std::string_view text) {
    const auto spans = parse_hours(text);
    if (!spans)
        return spans.error().message;
    std::string out;
    const auto time = [](int minutes) {
        char buffer[32];
        std::snprintf(buffer, sizeof buffer, "%d/%02d:%02d", minutes / 1440, minutes / 60 % 24, minutes % 60);
        return std::string(buffer);
    };
    for (const auto& span : *spans)
        out += (out.empty() ? "" : " ") + time(span.from) + "-" + time(span.until);
    return out;
}

std::string networks(int number) {
    std::string list = "[";
    for (int i = 0; i < number; ++i)
        list += (i ? ", 198.51.100." : "198.51.100.") + std::to_string(i);
    return list + "]";
}

} // namespace

TEST_CASE("a user without rules may knock from anywhere, at any time, for where they come from") {
    const authz::Credential r = rules("{}");
    CHECK(r.binding == Binding::any);
    CHECK(r.networks.count == 0);
    CHECK(r.explicit_networks.count == 0);
    CHECK(r.hours.count == 0);
    CHECK(r.lockout.free == 5);
    CHECK(r.lockout.first == 30s);
    CHECK(r.lockout.longest == 1h);
    CHECK(r.lockout.most == 50);
    CHECK(r.lifetime == 0s);
    CHECK(r.max_lifetime == 0s);
    CHECK(r.valid_from == WallTime::min());
    CHECK(r.valid_until == WallTime::max());
}

TEST_CASE("binding is any, match or explicit") {
    CHECK(rules("binding: any").binding == Binding::any);
    CHECK(rules("binding: match").binding == Binding::match);
    CHECK(rules("binding: explicit").binding == Binding::explicit_);
    CHECK(has(fault_of("binding: nat"), "f:1:10: \"nat\" is neither any, match nor explicit"));
}

TEST_CASE("networks are where a user comes from, explicit_networks are for whom they open") {
    const auto r = rules("networks: [198.51.100.0/24, 2001:db8:66::/64]\nbinding: explicit\n"
                         "explicit_networks: 203.0.113.9");
    REQUIRE(r.networks.count == 2);
    CHECK(r.networks.has(address("198.51.100.66")));
    CHECK(r.networks.has(address("2001:db8:66::66")));
    CHECK_FALSE(r.networks.has(address("192.0.2.1")));
    REQUIRE(r.explicit_networks.count == 1);
    CHECK(r.explicit_networks.has(address("203.0.113.9")));
    CHECK_FALSE(r.explicit_networks.has(address("203.0.113.8")));
    for (const char* binding : {"", "binding: any\n", "binding: match\n"})
        CHECK(has(fault_of(std::string(binding) + "explicit_networks: [203.0.113.9]"),
                  ":1: \"explicit_networks\" is for \"binding: explicit\" only"));
    CHECK(rules("networks: " + networks(8)).networks.count == 8);
    CHECK(has(fault_of("networks: " + networks(9)), "f:1:124: these are more than 8 networks"));
    CHECK(has(fault_of("binding: explicit\nexplicit_networks: " + networks(9)), "these are more than 8 networks"));
    CHECK(has(fault_of("networks: [192.0.2.1/24]"), "f:1:12: \"192.0.2.1/24\" has bits set behind its prefix length"));
    CHECK(has(fault_of("networks: [home]"), "f:1:12: \"home\" is not"));
}

TEST_CASE("read_networks takes as many as there may be and names the first that is one too many") {
    yaml::Faults faults;
    auto section = yaml::read("a: [192.0.2.1, x, 192.0.2.2, 192.0.2.3]\nb: 192.0.2.0/24\n", "f", faults);
    REQUIRE(section.has_value());
    const auto two = read_networks(*section, "a", 2);
    CHECK(two == std::vector<Prefix>{Prefix::parse("192.0.2.1").value(), Prefix::parse("192.0.2.2").value()});
    REQUIRE(faults.all().size() == 2);
    CHECK(has(faults.all()[0].text(), "f:1:16: \"x\" is not"));
    CHECK(faults.all()[1].text() == "f:1:30: these are more than 2 networks");
    CHECK(read_networks(*section, "b", 2).size() == 1);
    CHECK(read_networks(*section, "c", 2).empty());
    CHECK(faults.all().size() == 2);
}

TEST_CASE("hours are spans of the week, over midnight and over its end too") {
    CHECK(spans_of("sun") == "0/00:00-1/00:00");
    CHECK(spans_of("sat") == "6/00:00-7/00:00");
    CHECK(spans_of("mon 08:00-18:00") == "1/08:00-1/18:00");
    CHECK(spans_of("mon-wed 08:30-09:05") == "1/08:30-1/09:05 2/08:30-2/09:05 3/08:30-3/09:05");
    CHECK(spans_of("tue 00:00-24:00") == "2/00:00-3/00:00");
    CHECK(spans_of("tue 22:00-24:00") == "2/22:00-3/00:00");
    CHECK(spans_of("tue 22:00-00:00") == "2/22:00-3/00:00");
    CHECK(spans_of("fri 22:00-02:00") == "5/22:00-6/02:00");
    CHECK(spans_of("sat 22:00-02:00") == "6/22:00-7/00:00 0/00:00-0/02:00");
    CHECK(spans_of("sat-sun") == "6/00:00-7/00:00 0/00:00-1/00:00");
    CHECK(spans_of("fri-sun 22:00-02:00") == "5/22:00-6/02:00 6/22:00-7/00:00 0/00:00-0/02:00 0/22:00-1/02:00");
    CHECK(parse_hours("mon-sun").value().size() == 7);
    CHECK(parse_hours("sun-sat 23:59-23:58").value().size() == 8);
    CHECK(spans_of("wed-wed") == "3/00:00-4/00:00");
}

TEST_CASE("what is not a time of the week is told how to be one") {
    for (const char* text : {"",
                             "mo",
                             "Mon",
                             "monday",
                             "mon-",
                             "-mon",
                             "mon-fri-sun",
                             "mon,tue",
                             "mon ",
                             " mon",
                             "mon  08:00-09:00",
                             "08:00-18:00",
                             "mon 8:00-18:00",
                             "mon 08:00",
                             "mon 08:00-",
                             "mon -18:00",
                             "mon 08:00-08:00",
                             "mon 24:00-08:00",
                             "mon 08:00-24:01",
                             "mon 08:60-09:00",
                             "mon 08:00-25:00",
                             "mon 0a:00-09:00",
                             "mon 08.00-09.00",
                             "mon 08:00-18:00 ",
                             "mon 08:00-18:00-19:00"}) {
        const auto hours = parse_hours(text);
        REQUIRE_MESSAGE(!hours.has_value(), text);
        CHECK(hours.error().message == "\"" + std::string(text) + "\" is not a time of the week");
        CHECK(hours.error().hint == "write \"mon-fri 08:00-18:00\", \"sat 22:00-02:00\" or \"sun\"");
    }
    CHECK(has(fault_of("hours: [mon, 08:00-18:00]"), "f:1:14: \"08:00-18:00\" is not a time of the week"));
}

TEST_CASE("a user has sixteen spans at most") {
    CHECK(rules("hours: mon").hours.count == 1);
    CHECK(rules("hours: [mon-fri 08:00-12:00, mon-fri 13:00-18:00, sat]").hours.count == 11);
    CHECK(rules("hours: [sun-sat 22:00-02:00, sun-sat 03:00-04:00, mon 05:00-06:00]").hours.count == 16);
    CHECK(has(fault_of("hours: [sun-sat 22:00-02:00, sun-sat 03:00-04:00, mon-tue 05:00-06:00]"),
              "f:1:51: these are more than 16 spans of time in a week"));
}

TEST_CASE("the throttle on wrong codes can be stricter and milder") {
    const auto r = rules("lockout: {free: 0, first: 5m, longest: 1d, most: 1}").lockout;
    CHECK(r.free == 0);
    CHECK(r.first == 5min);
    CHECK(r.longest == 24h);
    CHECK(r.most == 1);
    CHECK(rules("lockout: {free: 999, most: 1000}").lockout.most == 1000);
    CHECK(rules("lockout: {free: 1}").lockout.first == 30s);
    // Without "longest" it is the usual one, or as long as the first.
    CHECK(rules("lockout: {first: 10s}").lockout.longest == 1h);
    CHECK(rules("lockout: {first: 2h}").lockout.longest == 2h);
    CHECK(has(fault_of("lockout: {free: 50}"), "f:1:10: \"free\" wrong codes must be fewer than \"most\""));
    CHECK(has(fault_of("lockout: {free: 3, most: 3}"), "\"free\" wrong codes must be fewer than \"most\""));
    CHECK(has(fault_of("lockout: {longest: 20s}"), "f:1:10: \"first\" is longer than \"longest\""));
    CHECK(has(fault_of("lockout: {most: 0}"), "f:1:17: \"0\" is not a number from 1 to 1000"));
    CHECK(has(fault_of("lockout: {free: 1001, most: 1000}"), "f:1:17: \"1001\" is not a number from 0 to 1000"));
    CHECK(has(fault_of("lockout: {first: 0s}"), "f:1:18: \"0s\" is no time at all"));
    CHECK(has(fault_of("lockout: {longest: ever}"), "f:1:20: \"ever\" is not a duration"));
    CHECK(has(fault_of("lockout: {frei: 1}"), "f:1:11: unknown key \"frei\" (did you mean \"free\"?)"));
    CHECK(has(fault_of("lockout: 5"), "f:1:10: expected a mapping"));
}

TEST_CASE("lifetimes and dates of a user are in order") {
    CHECK(rules("lifetime: 5m\nmax_lifetime: 5m").max_lifetime == 5min);
    CHECK(rules("lifetime: 2h").lifetime == 2h);
    CHECK(has(fault_of("lifetime: 6m\nmax_lifetime: 5m"), "f:1:1: lifetime is longer than max_lifetime"));
    CHECK(has(fault_of("max_lifetime: 0h"), "f:1:15: \"0h\" is no time at all"));
    const auto r = rules("valid_from: 2026-01-01\nvalid_until: 2026-01-01T00:00:01Z");
    CHECK(r.valid_until - r.valid_from == 1s);
    CHECK(
        has(fault_of("valid_from: 2026-01-01\nvalid_until: 2026-01-01"), "f:1:1: valid_until is not after valid_from"));
    CHECK(has(fault_of("valid_until: soon"),
              "f:1:14: \"soon\" is not a date (write 2026-12-31 or 2026-12-31T23:59:59Z, both in UTC)"));
}

TEST_CASE("a credential has dates of its own, within those of its user") {
    const Etc etc;
    const std::string pc = "user: bob\ndevice: pc\nid: 0000000000000003\nfactor: none\n";
    const auto dates = [&](const std::string& user, const std::string& credential) {
        etc.write("users/bob.yaml", "name: bob\nservices: ssh\n" + user);
        etc.credential("bob.pc", pc + credential);
        const authz::Credential c = etc.good().policy.credentials[2];
        return std::pair(c.valid_from, c.valid_until);
    };
    const auto day = [](const char* text) { return parse_date(text).value(); };
    CHECK(dates("", "") == std::pair(WallTime::min(), WallTime::max()));
    CHECK(dates("", "valid_until: 2026-06-01\n") == std::pair(WallTime::min(), day("2026-06-01")));
    const std::string of_2026 = "valid_from: 2026-01-01\nvalid_until: 2026-12-31\n";
    CHECK(dates(of_2026, "valid_from: 2026-02-01\nvalid_until: 2026-06-01\n") ==
          std::pair(day("2026-02-01"), day("2026-06-01")));
    CHECK(dates(of_2026, "valid_from: 2025-02-01\nvalid_until: 2027-06-01\n") ==
          std::pair(day("2026-01-01"), day("2026-12-31")));
    // Another device of theirs has its own.
    etc.credential("bob.tab", "user: bob\ndevice: tab\nid: 0000000000000004\nfactor: none\nvalid_until: 2026-03-01\n");
    const Config both = etc.good();
    CHECK(both.policy.credentials[2].valid_until == day("2026-12-31"));
    CHECK(both.policy.credentials[3].valid_until == day("2026-03-01"));
    etc.credential("bob.pc", pc + "valid_from: tomorrow\n");
    CHECK(has(etc.bad(), "credentials/bob.pc.yaml:5:13: \"tomorrow\" is not a date"));
    etc.credential("bob.pc", pc + "valid_from: 2026-06-01\nvalid_until: 2026-06-01\n");
    CHECK(has(etc.bad(), "credentials/bob.pc.yaml:1:1: valid_until is not after valid_from"));
    etc.credential("bob.pc", pc + "hours: mon\n");
    CHECK(has(etc.bad(), "credentials/bob.pc.yaml:5:1: unknown key \"hours\""));
}

TEST_CASE("a user's rules are those of each of their devices") {
    const Etc etc;
    etc.write("users/anna.yaml", "name: anna\nservices: [ssh]\nnetworks: 192.0.2.0/24\nhours: mon\nbinding: explicit\n"
                                 "explicit_networks: 203.0.113.9\nlockout: {free: 2}\n");
    const Config c = etc.good();
    for (std::size_t i = 0; i < 2; ++i) {
        const authz::Credential& device = c.policy.credentials[i];
        CHECK(device.user.view() == "anna");
        CHECK(device.networks.has(address("192.0.2.7")));
        CHECK(device.explicit_networks.count == 1);
        CHECK(device.hours.count == 1);
        CHECK(device.lockout.free == 2);
        CHECK(device.binding == Binding::explicit_);
    }
    CHECK(c.policy.credentials[2].networks.count == 0);
    CHECK(c.policy.credentials[2].lockout.free == 5);
}
