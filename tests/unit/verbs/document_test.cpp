// SPDX-License-Identifier: MIT
//
// docs/control.md is the reference: its tables of fields are compared with what the verbs take and reply.
#include "fixture.h"

#include <doctest/doctest.h>

#include <fstream>
#include <regex>

using namespace xk;
using namespace xk::verbs::test;
using Cells = std::vector<std::string>;

namespace {

std::string read_document() {
    std::ifstream file(XK_CONTROL_DOCUMENT);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    REQUIRE(!text.empty());
    return text;
}

std::string trimmed(std::string text) {
    text.erase(0, text.find_first_not_of(" `"));
    text.erase(text.find_last_not_of(" `") + 1);
    return text;
}

// Rows of the first table behind this heading, without its head; cells without spaces and backticks around them.
std::vector<Cells> table_behind(const std::string& heading) {
    std::istringstream lines(read_document());
    std::string line;
    while (std::getline(lines, line) && line != heading) {
    }
    std::vector<Cells> rows;
    while (std::getline(lines, line) && !line.starts_with("#") && (rows.empty() || line.starts_with("|"))) {
        if (!line.starts_with("|"))
            continue;
        Cells cells;
        std::istringstream parts(line.substr(1));
        for (std::string cell; std::getline(parts, cell, '|');)
            cells.push_back(trimmed(cell));
        rows.push_back(cells);
    }
    REQUIRE_MESSAGE(rows.size() > 2, heading);
    rows.erase(rows.begin(), rows.begin() + 2);
    return rows;
}

std::string kind_text(verbs::FieldKind kind) {
    switch (kind) {
    case verbs::FieldKind::text:
        return "text";
    case verbs::FieldKind::texts:
        return "list of texts";
    case verbs::FieldKind::truth:
        return "truth";
    case verbs::FieldKind::seconds:
        return "seconds";
    case verbs::FieldKind::bits:
        return "bits";
    case verbs::FieldKind::session:
        break;
    }
    return "session";
}

// "verb path" to its types: "text", "number", "truth", "object", "list", "null", "absent".
using Types = std::map<std::string, std::set<std::string>>;

std::string type_of(const json& value) {
    return value.is_null()      ? "null"
           : value.is_boolean() ? "truth"
           : value.is_number()  ? "number"
           : value.is_string()  ? "text"
           : value.is_array()   ? "list"
                                : "object";
}

// Counters are objects of names; which ones they are another test asks.
bool has_any_names(const std::string& path) {
    return path == "stats filter" || path == "stats refused" || path == "stats accepted" ||
           path == "stats events.kinds" || path == "stats events.reasons" || path == "stats events.causes" ||
           path == "stats events.lost";
}

void collect(const json& value, const std::string& path, const Types& documented, Types& seen) {
    if (value.is_array())
        for (const json& one : value) {
            seen[path + "[]"].insert(type_of(one));
            collect(one, path + "[]", documented, seen);
        }
    if (!value.is_object())
        return;
    const std::string begin = path.find(' ') == std::string::npos ? path + " " : path + ".";
    for (const auto& [name, field] : value.items()) {
        const std::string name_in_table = has_any_names(path) ? "NAME" : name;
        seen[begin + name_in_table].insert(type_of(field));
        collect(field, begin + name_in_table, documented, seen);
    }
    for (const auto& [known, types] : documented)
        if (known.starts_with(begin) && known.find_first_of(".[", begin.size()) == std::string::npos &&
            !has_any_names(path) && !value.contains(known.substr(begin.size())))
            seen[known].insert("absent");
}

Types documented_types() {
    Types documented;
    for (const Cells& row : table_behind("### Fields of replies")) {
        REQUIRE(row.size() >= 4);
        static const std::regex between(", | or ");
        const std::string types = row[2];
        documented[row[0] + " " + row[1]] = {std::sregex_token_iterator(types.begin(), types.end(), between, -1), {}};
    }
    return documented;
}

// With every field that an event can have.
authz::Event full_event(const Now& now) {
    return {.kind = authz::EventKind::grant_ended,
            .at = now,
            .user = "anna",
            .device = "laptop",
            .service = "ssh",
            .source = address_of("192.0.2.2"),
            .address = address_of("192.0.2.2"),
            .prefix = prefix_of("192.0.2.0/24"),
            .pinholes = "tcp/22",
            .reject = authz::Reject::hours,
            .cause = authz::EndCause::rights,
            .lifetime = std::chrono::seconds(60),
            .count = 1,
            .detail = "detail",
            .by = authz::Operator{1000, 4711, 1000, "anna", "anna"},
            .verb = "close",
            .failure = "failure",
            .more = "more",
            .sessions = 1,
            .bans = 1,
            .for_good = true,
            .all = true,
            .others_remain = true,
            .again = true,
            .action = Action::open,
            .retry = true,
            .clock_ahead = std::chrono::seconds(1),
            .totp_step = 1,
            .way = authz::KnockMode::fwknop,
            .last_use = WallTime(std::chrono::seconds(1))};
}

// A daemon that has something of everything, and one that has nothing of what may be missing.
void fill(VerbFixture& f) {
    auto config = FakeDaemon::make_config();
    config.disabled = {{"users/eve.yaml", {"a fault"}}};
    config.warnings = {"a warning"};
    config.policy.credentials[2].modes.set(); // a sequence has no port, and capyknock none here
    f.daemon.set_config(config);
    f.daemon.states[0].last_accepted = 1;
    f.daemon.status.trial_left = std::chrono::seconds(1);
    f.daemon.status.panic_since = f.now.wall;
    f.daemon.status.hooks = verbs::HookStatus{};
    f.daemon.status.interfaces = {{"host0", "host0", "native", {}, ""}, {"vpn0", "", "missing", {}, "none"}};
    f.daemon.grants = {make_grant("192.0.2.2", 22, "ssh", {{kPhone, f.in(29)}})};
    const Prefix network = prefix_of("2001:db8:7::/64");
    f.daemon.book.set(network, {{"", network, f.in(10)}, {"sshd", prefix_of("2001:db8:7::1"), f.in(600)}});
    f.daemon.book.set(prefix_of("203.0.113.7"), {{"", prefix_of("203.0.113.7"), std::nullopt}});
    f.daemon.spared = {prefix_of("192.0.2.1")};
    f.daemon.recent.on_event(full_event(f.now));
    authz::Event of_root = full_event(f.now);
    of_root.by = authz::Operator{0, 1, {}, {}, {}}; // who did not log in, and has no name
    f.daemon.recent.on_event(of_root);
}

Types seen_types(const Types& documented) {
    Types seen;
    const auto look = [&](VerbFixture& f, const json& request) {
        const json reply = f.ask(request);
        REQUIRE_MESSAGE(!reply.contains("error"), request.dump() << reply.dump());
        collect(reply, request.at("verb"), documented, seen);
    };
    VerbFixture empty;
    authz::Event least;
    least.kind = authz::EventKind::clock_wrong;
    empty.daemon.recent.on_event(least);
    empty.daemon.events_handed_out.add("recent", empty.daemon.recent);
    for (const char* verb : {"status", "grants", "users", "stats", "bans", "events"})
        look(empty, {{"verb", verb}});
    VerbFixture f;
    fill(f);
    for (const char* verb :
         {"status", "grants", "users", "bans", "events", "panic", "reload", "confirm", "clock-accept", "takeover"})
        look(f, {{"verb", verb}});
    look(f, {{"verb", "unban"}, {"prefix", "2001:db8:7::/64"}, {"reason", "none of them"}});
    look(f, {{"verb", "unban"}, {"prefix", "203.0.113.7"}, {"reason", "none of them"}});
    look(f, {{"verb", "unban"}, {"prefixes", {"192.0.2.1", "x"}}});
    look(f, {{"verb", "unban"}, {"all", true}});
    look(f, {{"verb", "ban"}, {"prefix", "203.0.113.7"}, {"seconds", 60}});
    look(f, {{"verb", "ban"}, {"prefix", "203.0.113.8"}});
    look(f, {{"verb", "ban"}, {"prefixes", {"192.0.2.1"}}});
    look(f, {{"verb", "open"}, {"address", "192.0.2.9"}, {"service", "ssh"}});
    look(f, {{"verb", "close"}, {"what", "anna"}});
    look(f, {{"verb", "close"}, {"what", "anna"}, {"cut", true}});
    look(f, {{"verb", "panic"}, {"over", true}});
    look(f, {{"verb", "unlock"}, {"what", "anna"}});
    look(f, {{"verb", "try"}, {"seconds", 300}});
    return seen;
}

std::string text_of(const std::set<std::string>& types) {
    std::string text;
    for (const std::string& type : types)
        text += (text.empty() ? "" : ", ") + type;
    return text;
}

} // namespace

TEST_CASE("every field of a reply is documented with its types, and no other one is") {
    const Types documented = documented_types();
    const Types seen = seen_types(documented);
    for (const auto& [name, types] : seen) {
        const std::string field = name, kinds = text_of(types);
        CAPTURE(field);
        const auto found = documented.find(field);
        CHECK_MESSAGE(found != documented.end(), "not documented: " << kinds);
        if (found != documented.end())
            CHECK(kinds == text_of(found->second));
    }
    for (const auto& one : documented)
        CHECK_MESSAGE(seen.contains(one.first), one.first << " is documented, and no reply has it");
}

TEST_CASE("every field of a request is documented with its kind, and no other one is") {
    std::set<std::string> documented, known;
    for (const Cells& row : table_behind("### Fields of requests")) {
        REQUIRE(row.size() >= 4);
        documented.insert(row[0] + " " + row[1] + " " + row[2]);
    }
    VerbFixture f;
    for (const verbs::Verb& verb : f.verbs.table())
        for (const verbs::Field& field : verb.fields)
            known.insert(std::string(verb.name) + " " + std::string(field.name) + " " + kind_text(field.kind));
    CHECK(documented == known);
}

TEST_CASE("every verb is documented with its role, and no other one is") {
    std::map<std::string, control::Role> documented, known;
    for (const Cells& row : table_behind("### Verbs of the socket"))
        documented[row.at(0)] = row.at(1) == "admin" ? control::Role::admin : control::Role::reader;
    VerbFixture f;
    for (const verbs::Verb& verb : f.verbs.table())
        known[std::string(verb.name)] = verb.role;
    CHECK(documented == known);
}

TEST_CASE("every reason of a refusal is documented in judgement's counters, and no other one is") {
    std::set<std::string> documented, known;
    for (const Cells& row : table_behind("### refused"))
        documented.insert(row.at(0));
    VerbFixture f;
    const json stats = f.ask({{"verb", "stats"}});
    for (const auto& [name, count] : stats.at("refused").items())
        known.insert(name);
    CHECK(documented == known);
}

TEST_CASE("the examples of replies in the document have no field that is not in its table") {
    const Types documented = documented_types();
    const std::string text = read_document();
    std::size_t found = 0;
    const std::size_t first = text.find("## Verbs\n");
    const std::string verbs_part = text.substr(first, text.find("### ban, unban") - first);
    for (std::size_t at = verbs_part.find("```json"); at != std::string::npos;
         at = verbs_part.find("```json", at + 1)) {
        const std::size_t begin = verbs_part.find('\n', at), end = verbs_part.find("```", begin);
        const std::size_t heading = verbs_part.rfind("\n### ", at) + 5;
        const std::string verb = verbs_part.substr(heading, verbs_part.find('\n', heading) - heading);
        Types seen;
        collect(json::parse(verbs_part.substr(begin, end - begin)), verb, {}, seen);
        for (const auto& one : seen)
            CHECK_MESSAGE(documented.contains(one.first), one.first);
        if (verb == "status")
            for (const auto& [name, types] : documented)
                if (const std::string field = name;
                    field.starts_with("status ") && field.find_first_of(".[") == std::string::npos)
                    CHECK_MESSAGE(seen.contains(field), field << " is missing in the example");
        ++found;
    }
    CHECK(found == 4);
}
