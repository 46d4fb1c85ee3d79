// SPDX-License-Identifier: MIT
#include "daemon/config/fixed.h"

#include "etc.h"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

using namespace xk;
using namespace xk::config;
using test::Etc;
using test::has;

namespace {

constexpr const char* kServices = "interfaces: [eth0, eth1]\nservices: {ssh: tcp/22, web: [tcp/80, tcp/443]}\n";
constexpr const char* kProcess = "process: {user: 62001, worker_user: 62002}\n";
constexpr const char* kExternal = "gate: {mode: external, external: {table: t, set4: a, set6: b}}\n";

// What a reload says, which reads `now` and then `next`.
std::string reload(const Etc& etc, const std::string& now, const std::string& next) {
    etc.write("xknock.yaml", now);
    const Config before = etc.good();
    etc.write("xknock.yaml", next);
    const Config after = etc.good();
    const auto same = check_unchanged(before, after);
    CHECK((static_cast<const Fixed&>(before) == static_cast<const Fixed&>(after)) == same.has_value());
    if (same)
        return "";
    CHECK(same.error().exit == Exit::configuration);
    CHECK(same.error().hint == "systemctl restart xknockd");
    return same.error().message;
}

struct Change {
    const char* key;
    std::string now, next; // of the main file
};

std::vector<Change> changes() {
    const std::string main = std::string(kServices) + kProcess;
    const auto external = [&](const char* table, const char* set4, const char* set6) {
        return main + "gate: {mode: external, external: {table: " + table + ", set4: " + set4 + ", set6: " + set6 +
               "}}\n";
    };
    return {
        {"process.user", main, std::string(kServices) + "process: {user: 62003, worker_user: 62002}\n"},
        {"process.worker_user", main, std::string(kServices) + "process: {user: 62001, worker_user: 62003}\n"},
        {"paths.run", main, main + "paths: {run: /elsewhere}\n"},
        {"paths.state", main, main + "paths: {state: /elsewhere}\n"},
        {"paths.bpf", main, main + "paths: {bpf: /elsewhere}\n"},
        {"xdp.coexist", main, main + "xdp: {coexist: libxdp}\n"},
        {"gate.owned", main, main + "gate: {owned: false}\n"},
        {"gate.replay_entries", main, main + "gate: {replay_entries: 4096}\n"},
        {"gate.external", external("t", "a", "b"), external("u", "a", "b")},
        {"gate.external", external("t", "a", "b"), external("t", "c", "b")},
        {"gate.external", external("t", "a", "b"), external("t", "a", "c")},
    };
}

// The rows of the document's tables whose first column is a key: "section.key", or "key" of the top level.
std::set<std::string> documented_keys() {
    std::ifstream in(XK_CONFIGURATION);
    std::set<std::string> keys;
    std::string section = "?";
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with("#"))
            section = line.substr(line.find_first_not_of("# "));
        static const std::map<std::string, std::string> kPrefixes = {
            {"Top level", ""},
            {"xdp", "xdp."},
            {"gate", "gate."},
            {"control", "control."},
            {"paths", "paths."},
            {"process", "process."},
            {"hooks", "hooks."},
            {"Services", "services."},
            {"Users: users/NAME.yaml", "users."},
            {"Credentials: credentials/NAME.yaml", "credentials."}};
        const auto prefix = kPrefixes.find(section);
        if (prefix == kPrefixes.end() || !line.starts_with("| `"))
            continue;
        std::istringstream names(line.substr(2, line.find(" |", 2) - 2));
        for (std::string name; std::getline(names, name, '`');)
            if (std::ranges::all_of(
                    name, [](char c) { return (c >= 'a' && c <= 'z') || c == '_' || (c >= '0' && c <= '9'); }) &&
                !name.empty())
                keys.insert(prefix->second + name);
    }
    return keys;
}

// The table "Takes effect": the keys of each kind.
std::set<std::string> keys_that_take(const std::string& how) {
    std::ifstream in(XK_CONFIGURATION);
    std::set<std::string> keys;
    for (std::string line; std::getline(in, line);) {
        if (!line.starts_with("| " + how + " |"))
            continue;
        std::istringstream names(line);
        std::string name;
        for (bool inside = false; std::getline(names, name, '`'); inside = !inside)
            if (inside)
                keys.insert(name);
    }
    return keys;
}

} // namespace

TEST_CASE("a reload that would need a restart is refused, and names the key") {
    std::set<std::string> seen;
    for (const Change& change : changes()) {
        const Etc etc;
        CHECK(reload(etc, change.now, change.next) == std::string(change.key) + " takes effect with a restart only");
        CHECK(reload(etc, change.next, change.now) == std::string(change.key) + " takes effect with a restart only");
        CHECK(reload(etc, change.now, change.now).empty());
        seen.insert(change.key);
    }
    const std::string main = std::string(kServices) + kProcess;
    const Etc etc;
    CHECK(reload(etc, main, main + kExternal) == "gate.mode and gate.external take effect with a restart only");
    seen.insert("gate.mode");
    CHECK(reload(etc, main, main + "paths: {run: /a, state: /b}\nxdp: {coexist: libxdp}\n") ==
          "paths.run, paths.state and xdp.coexist take effect with a restart only");
    etc.write("xknock.yaml", main);
    const Config before = etc.good();
    etc.write("server_id", "ff0102030405060708090a0b0c0d0e0f\n");
    CHECK(changed_keys(before, etc.good()) == std::vector<std::string_view>{"server_id"});
    seen.insert("server_id");
    seen.insert("hooks.user"); // where there is a hook: HookCalls::can_run()
    CHECK(seen == keys_that_take("with a restart only"));
}

TEST_CASE("everything else takes effect with a reload") {
    const Etc etc;
    CHECK(
        reload(
            etc, std::string(kServices) + kProcess,
            "interfaces: [eth2]\nservices: {ssh: tcp/23, web: [tcp/80, udp/443], new: tcp/99}\nport: 1\nstealth: "
            "closed\n"
            "clock_skew: 45s\nxdp: {allow_generic: true, drop_syn: false, local_addresses: [192.0.2.1], priority: 9}\n"
            "gate: {allow: [198.51.100.0/24], never_ban: [192.0.2.9], max_grants: 5, stealth: closed, on_failure: "
            "open}\n"
            "control: {admin_group: 0, read_group: 1}\nhooks: {time_limit: 20s}\n" +
                std::string(kProcess))
            .empty());
    // A user by number and by name is the same one.
    const Account root{"root", 7, 7}, zero{"0", 7, 7}, other{"root", 7, 8};
    CHECK(root == zero);
    CHECK_FALSE(root == other);
}

TEST_CASE("each key of the document is known to take effect with a reload or with a restart") {
    const auto documented = documented_keys();
    CHECK(documented.size() > 60);
    CHECK(documented.contains("gate.replay_entries"));
    CHECK(documented.contains("users.lifetime"));
    const auto fixed = keys_that_take("with a restart only"), live = keys_that_take("with a reload");
    for (const std::string& key : documented) {
        const bool is_section =
            std::ranges::any_of(documented, [&](const std::string& other) { return other.starts_with(key + "."); });
        if (is_section && key != "services") // each of its keys is looked at by itself
            continue;
        const bool is_live = live.contains(key) || live.contains(key.substr(0, key.find('.')));
        CHECK_MESSAGE((fixed.contains(key) || is_live), key);
        CHECK_MESSAGE(!(fixed.contains(key) && live.contains(key)), key);
    }
    for (const std::string& key : fixed)
        CHECK_MESSAGE((key == "server_id" || documented.contains(key)), key);
}
