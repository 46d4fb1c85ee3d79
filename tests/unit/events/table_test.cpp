// SPDX-License-Identifier: MIT
//
// The table of all kinds: each has a name, JSON, and a row that says of which fields its log line is made; the row says
// the same as docs/control.md.
#include "daemon/events/event_json.h"
#include "daemon/events/log_sink.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

using namespace xk;
using namespace xk::authz;
using events::LogSink;
using nlohmann::json;
using namespace std::chrono_literals;

namespace {

const std::set<std::string> kAlways = {"kind", "time", "time_us", "boot_ns"};

Event full_event(EventKind kind) {
    return {.kind = kind,
            .at = {WallTime(1'795'000'000s), BootTime(5000s)},
            .user = "anna",
            .device = "laptop",
            .service = "ssh",
            .source = Address::v4(192, 0, 2, 2),
            .address = Address::v4(192, 0, 2, 3),
            .prefix = Prefix::parse("203.0.113.0/24").value(),
            .pinholes = "tcp/22",
            .reject = Reject::hours,
            .cause = EndCause::by_user,
            .lifetime = 30s,
            .count = 3,
            .detail = "DETAIL",
            .by = Operator{0, 1, {}},
            .verb = "try",
            .failure = "no",
            .more = "MORE",
            .sessions = 4,
            .bans = 5,
            .for_good = true,
            .all = true,
            .others_remain = true,
            .again = true,
            .action = Action::probe,
            .retry = true,
            .clock_ahead = 1s,
            .totp_step = 1,
            .way = KnockMode::fwknop,
            .last_use = WallTime(1'795'000'030s)};
}

std::set<std::string> words_of(std::string_view text) {
    std::istringstream words{std::string(text)};
    return {std::istream_iterator<std::string>(words), {}};
}

// With the fields of its row alone, but for those that choose another line than the row's.
Event event_of_row(const LogSink::Row& row) {
    static const std::map<EventKind, std::set<std::string>> kOfOtherLines = {
        {EventKind::knock_accepted, {"retry"}},    {EventKind::knock_refused, {"detail", "for_good", "seconds"}},
        {EventKind::locked, {"seconds"}},          {EventKind::grant_prolonged, {"detail"}},
        {EventKind::attached, {"again"}},          {EventKind::trial_begun, {"again"}},
        {EventKind::operator_action, {"failure"}},
    };
    const auto fields = words_of(row.fields);
    const auto others = kOfOtherLines.find(row.kind);
    json all = events::json_of(full_event(row.kind));
    for (const std::string& name : words_of(row.fields))
        CHECK_MESSAGE(all.contains(name), name << " is no field");
    json of_row = json::object();
    for (const auto& [name, value] : all.items())
        if (kAlways.contains(name) ||
            (fields.contains(name) && (others == kOfOtherLines.end() || !others->second.contains(name))))
            of_row[name] = value;
    Event event = events::event_of(of_row).value();
    if (row.kind == EventKind::unbanned)
        event.cause = EndCause::configuration;
    return event;
}

std::vector<std::string> lines_of(const Event& event) {
    std::vector<std::string> lines;
    LogSink sink([&](LogSink::Level, const std::string& line) { lines.push_back(line); });
    sink.on_event(event);
    sink.on_tick(event.at.boot);
    return lines;
}

// "closed SERVICE by USER/DEVICE": each variable part is what the event has for it.
std::string filled(std::string line, const Event& event) {
    const std::pair<const char*, std::string> parts[] = {
        {"USER/DEVICE", event.who()},
        {"SOURCE", event.source ? event.source->text() : ""},
        {"ADDRESS", event.address ? event.address->text() : ""},
        {"PREFIX", event.prefix ? event.prefix->text() : ""},
        {"SERVICE", event.service},
        {"GRANTS", event.pinholes},
        {"REASON", event.reject ? std::string(name_of(*event.reject)) : ""},
        {"TIME", "30s"},
        {"UTC", "2026-11-18T11:07:10Z"},
        {"COUNT", std::to_string(event.count)},
        {"SESSIONS", std::to_string(event.sessions)},
        {"BANS", event.bans ? std::to_string(*event.bans) : ""},
        {"UID", event.by ? std::to_string(event.by->uid) : ""},
        {"VERB", event.verb},
        {"WAY", event.way ? std::string(kKnockModeNames[static_cast<std::size_t>(*event.way)]) : ""},
    };
    for (const auto& [name, value] : parts)
        line = std::regex_replace(line, std::regex("\\b" + std::string(name) + "\\b"), value);
    return line;
}

using Cells = std::vector<std::string>;

// Rows of the table behind "### Events", by their kind.
std::map<std::string, Cells> documented() {
    std::ifstream file(XK_CONTROL_DOCUMENT);
    std::string line;
    while (std::getline(file, line) && line != "### Events") {
    }
    std::map<std::string, Cells> rows;
    while (std::getline(file, line) && !line.starts_with("#")) {
        if (!line.starts_with("| `"))
            continue;
        Cells cells;
        std::istringstream parts(line.substr(1));
        for (std::string cell; std::getline(parts, cell, '|');)
            cells.push_back(std::regex_replace(cell, std::regex("^[ `]+|[ `]+$"), ""));
        rows[cells.at(0)] = cells;
    }
    return rows;
}

} // namespace

TEST_CASE("every kind has a row, a name that leads back to it, and JSON that leads back to it") {
    REQUIRE(LogSink::rows().size() == kEventKinds);
    for (std::size_t i = 0; i < kEventKinds; ++i) {
        const auto kind = static_cast<EventKind>(i);
        CAPTURE(i);
        CHECK(LogSink::rows()[i].kind == kind);
        CHECK(name_of(kind) != "?");
        CHECK(event_kind(name_of(kind)) == kind);
        const json there = events::json_of(full_event(kind));
        CHECK(there.at("kind") == std::string(name_of(kind)));
        CHECK(events::json_of(events::event_of(there).value()) == there);
    }
}

TEST_CASE("the line of every kind is that of its row, and made of the fields of its row") {
    for (const LogSink::Row& row : LogSink::rows()) {
        CAPTURE(name_of(row.kind));
        const Event event = event_of_row(row);
        const auto lines = lines_of(event);
        if (row.line.empty()) {
            CHECK(lines.empty());
            continue;
        }
        REQUIRE(!lines.empty());
        CHECK(lines.front() == filled(std::string(row.line), event));
    }
}

TEST_CASE("docs/control.md has every kind with its fields and its line, and no other one") {
    const auto rows = documented();
    CHECK(rows.size() == kEventKinds);
    for (const LogSink::Row& row : LogSink::rows()) {
        CAPTURE(name_of(row.kind));
        const auto found = rows.find(std::string(name_of(row.kind)));
        REQUIRE(found != rows.end());
        REQUIRE(found->second.size() >= 4);
        CHECK(found->second[1] == row.fields);
        CHECK(found->second[3] == row.line);
    }
}
