// SPDX-License-Identifier: MIT
#include "tools/knockctl/show.h"

#include "protocol/base/duration.h"
#include "protocol/base/quote.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <vector>

namespace xk::tools {
namespace {

using nlohmann::json;

// The daemon's texts may hold names that others chose: nothing in them may move the cursor.
std::string text(const json& value) {
    if (value.is_string())
        return as_line(value.get<std::string>()); // parts of it are escaped already
    return value.is_null() ? "-" : value.dump();
}

std::string time_left(const json& seconds) {
    if (seconds.is_null())
        return "for ever";
    const std::chrono::seconds left(seconds.get<std::int64_t>());
    if (left < std::chrono::minutes(2))
        return std::to_string(left.count()) + "s";
    return duration_text(left < std::chrono::hours(2)
                             ? std::chrono::seconds(std::chrono::ceil<std::chrono::minutes>(left))
                             : std::chrono::seconds(std::chrono::ceil<std::chrono::hours>(left)));
}

} // namespace

std::string table(const Row& head, const std::vector<Row>& rows) {
    std::vector<std::size_t> widths;
    for (std::size_t i = 0; i < head.size(); ++i) {
        widths.push_back(head[i].size());
        for (const Row& row : rows)
            widths[i] = std::max(widths[i], row[i].size());
    }
    std::string out;
    const auto line = [&](const Row& row) {
        std::string l;
        for (std::size_t i = 0; i < row.size(); ++i)
            l += row[i] + std::string(widths[i] - row[i].size() + 2, ' ');
        l.erase(l.find_last_not_of(' ') + 1);
        out += l + "\n";
    };
    line(head);
    for (const Row& row : rows)
        line(row);
    return out;
}

namespace {

std::string joined(const json& list) {
    std::string out;
    for (const json& item : list)
        out += (out.empty() ? "" : ", ") + text(item);
    return out.empty() ? "-" : out;
}

std::string hooks_text(const json& hooks) {
    if (hooks.is_null())
        return "none";
    const std::string counts = text(hooks.at("done")) + " done, " + text(hooks.at("failed")) + " failed, " +
                               text(hooks.at("dropped")) + " dropped";
    return hooks.at("running") == true ? counts : "GONE until a restart of xknockd; " + counts;
}

std::string interface_text(const json& i) {
    std::string out = text(i.at("name")) + " (" + text(i.at("mode"));
    if (const json& since = i.at("since"); !since.is_null())
        out += " since " + text(since);
    else if (i.at("device") != i.at("name"))
        out += ", on " + text(i.at("device"));
    return out + ")";
}

std::string odds_text(const json& odds) {
    char text[80];
    std::snprintf(text, sizeof text, ", guessed within a day with odds of %.0e at most", odds.get<double>());
    return text;
}

// The devices that may knock so now. A device of an old client has no other way, so its last knock was one of these.
std::string devices_text(const json& mode) {
    const auto count = mode.at("devices").get<std::size_t>();
    const bool is_legacy = mode.at("mode") == "capyknock" || mode.at("mode") == "fwknop";
    std::string out = std::to_string(count) + (count == 1 ? " device" : " devices");
    std::size_t named = 0;
    for (const json& one : mode.at("named")) {
        out += (named++ == 0 ? ": " : ", ") + text(one.at("user")) + "/" + text(one.at("device"));
        if (const json& last = one.at("last_knock"); is_legacy)
            out += last.is_null() ? " (no knock yet)" : " (last knock " + text(last) + ")";
    }
    return count > named ? out + ", and " + std::to_string(count - named) + " more" : out;
}

std::string mode_text(const json& mode) {
    std::string out;
    if (const json& ports = mode.at("ports"); !ports.is_null())
        out = text(ports) + " ports";
    else
        out = mode.at("port").is_null() ? "no port in \"legacy\"" : text(mode.at("port")) + "/udp";
    const json& odds = mode.at("odds_a_day");
    return out + ", " + devices_text(mode) + (odds.is_null() ? "" : odds_text(odds));
}

std::string panic_text(const json& r) {
    if (r.at("panic") != true)
        return "";
    const json& since = r.at("panic_since");
    return ", IN PANIC" + (since.is_null() ? "" : " since " + text(since)) +
           ": nobody is let in until \"knockctl panic --over\"";
}

} // namespace

std::string show_disabled(const json& r) {
    constexpr std::size_t kMost = 2000;
    std::string out;
    for (const json& disabled : r.value("disabled", json::array()))
        for (const json& fault : disabled.at("faults"))
            out += "disabled by a fault: " + printable(fault.get<std::string>(), kMost) + "\n";
    return out;
}

std::string show_status(const json& r) {
    std::string interfaces;
    for (const json& i : r.at("interfaces"))
        interfaces += (interfaces.empty() ? "" : ", ") + interface_text(i);
    const json& trial = r.at("trial_ends_in_s");
    const bool dry_run = r.at("dry_run");
    const std::pair<const char*, std::string> lines[] = {
        {"dry run", dry_run ? "knocks are judged and logged; nothing is shut or opened" : ""},
        {"trial",
         trial.is_null() ? "" : "taken away in " + time_left(trial) + " unless \"knockctl confirm\" comes before"},
        {"xknockd", text(r.at("version")) + ", pid " + text(r.at("pid")) + ", worker " + text(r.at("worker_pid")) +
                        ", up " + time_left(r.at("uptime_s"))},
        {"config", text(r.at("config"))},
        {"knock port", text(r.at("port")) + "/udp, stealth " + text(r.at("stealth"))},
        {"interfaces", interfaces},
        {"gate", text(r.at("gate")) + panic_text(r)},
        {"credentials", text(r.at("credentials")) + ", " + text(r.at("locked")) + " locked"},
        {"tags", text(r.at("tags"))},
        {"grants", text(r.at("grants"))},
        {"bans", text(r.at("bans"))},
        {"clock", r.at("clock") == "ok" ? "ok" : "WRONG: no knock is let in (knockctl clock accept)"},
        {"handshakes", r.value("handshakes", "ok") == "unanswered"
                           ? "UNANSWERED: the unit needs the drop-in examples/handshake.conf"
                           : ""},
        {"identity",
         r.value("identity", "ok") == "copied" ? "COPIED from another machine (knockctl identity keep, or new)" : ""},
        {"hooks", hooks_text(r.at("hooks"))},
        {"memory", "begun with " + text(r.at("memory"))}};
    std::string out;
    const auto line = [&](std::string_view name, const std::string& value) {
        out += std::string(name) + std::string(name.size() < 13 ? 13 - name.size() : 1, ' ') + value + "\n";
    };
    for (const auto& [name, value] : lines) {
        if (!value.empty())
            line(name, value);
        if (std::string_view(name) != "knock port")
            continue;
        for (const json& mode : r.value("modes", json::array()))
            line(text(mode.at("mode")), mode_text(mode));
    }
    return out + show_disabled(r);
}

std::string show_grants(const json& r) {
    std::vector<Row> rows;
    for (const json& g : r.at("grants")) {
        std::string by;
        for (const json& h : g.at("holders"))
            by += (by.empty() ? "" : ", ") + text(h.at("user")) +
                  (text(h.at("device")).empty() ? "" : "/" + text(h.at("device")));
        rows.push_back({text(g.at("address")), text(g.at("endpoint")), text(g.at("service")),
                        time_left(g.at("expires_in_s")), by});
    }
    return rows.empty() ? "no grants\n" : table({"ADDRESS", "PORT", "SERVICE", "LEFT", "BY"}, rows);
}

std::string show_users(const json& r) {
    std::vector<Row> rows;
    for (const json& u : r.at("users"))
        rows.push_back({text(u.at("user")) + "/" + text(u.at("device")), text(u.at("factor")), joined(u.at("modes")),
                        joined(u.at("services")), text(u.at("status")), text(u.at("wrong_codes")), text(u.at("knocks")),
                        text(u.at("last_knock")), text(u.at("last_address"))});
    return (rows.empty()
                ? "no users\n"
                : table({"USER", "FACTOR", "MODES", "SERVICES", "STATUS", "WRONG", "KNOCKS", "LAST", "FROM"}, rows)) +
           show_disabled(r);
}

std::string show_stats(const json& r) {
    std::string out;
    for (const char* part : {"filter", "accepted", "refused"}) {
        std::vector<Row> rows;
        for (const auto& [name, count] : r.at(part).items())
            if (count != 0)
                rows.push_back({name, text(count)});
        out += table({part, "count"}, rows) + "\n";
    }
    return out + "retries  " + text(r.at("retries")) + "\n";
}

std::string show_bans(const json& r) {
    std::vector<Row> rows; // one for each owner, the longest first
    for (const json& b : r.at("bans"))
        for (const json& owner : b.at("owners")) {
            const std::string named = owner.contains("address") ? " (" + text(owner.at("address")) + ")" : "";
            rows.push_back(
                {text(b.at("prefix")), time_left(owner.at("expires_in_s")), text(owner.at("reason")) + named});
        }
    return rows.empty() ? "no bans\n" : table({"BANNED", "LEFT", "REASON"}, rows);
}

} // namespace xk::tools
