// SPDX-License-Identifier: MIT
#include "etc.h"

#include "protocol/encoding.h"

#include <iterator>
#include <sstream>

using namespace xk;
using namespace xk::config;
using namespace std::chrono_literals;
using test::Etc;
using test::has;

TEST_CASE("a whole configuration is read") {
    const Etc etc;
    etc.write("xknock.yaml", std::string(Etc::kMain) +
                                 "port: 4242\nstealth: closed\nclock_skew: 45s\n"
                                 "xdp: {allow_generic: true, drop_syn: false, local_addresses: [192.0.2.1],\n"
                                 "      coexist: libxdp, priority: 9}\n"
                                 "gate: {allow: [198.51.100.0/24, 2001:db8::1], max_grants: 5, replay_entries: 4096}\n"
                                 "control: {admin_group: 0, read_group: 1}\n"
                                 "paths: {run: /r, state: /s, bpf: /b}\n");
    const Config c = etc.good();
    CHECK(c.interfaces == std::vector<std::string>{"eth0", "eth1"});
    CHECK(c.port == 4242);
    CHECK(c.answer_as_closed);
    CHECK_FALSE(c.drop_syn);
    CHECK(c.allow_generic);
    CHECK(c.coexist);
    CHECK(c.run_priority == 9);
    CHECK(c.local_addresses == std::set<Address>{Address::v4(192, 0, 2, 1)});
    CHECK(c.policy.settings.skew == 45s);
    CHECK(to_hex(c.policy.settings.server) == "000102030405060708090a0b0c0d0e0f");
    CHECK(c.server_id == c.policy.settings.server);
    CHECK(c.gate_mode == GateMode::table);
    CHECK(c.allow.size() == 2);
    CHECK(c.max_grants == 5);
    CHECK(c.replay_entries == 4096);
    CHECK(c.admin_group == 0);
    CHECK(c.read_group == 1);
    CHECK(c.run_directory == "/r");
    CHECK(c.state_directory == "/s");
    CHECK(c.pin_directory == "/b");
    CHECK(c.account.uid == 62001);
    CHECK(c.worker_account.uid == 62002);
    CHECK(c.policy.services.size() == 2);
    CHECK(c.warnings.empty());
}

TEST_CASE("the sample is good, and what is commented out in it is the default") {
    std::ifstream in(XK_SAMPLE);
    std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    REQUIRE(text.size() > 1000);
    // Accounts and groups that the package makes, but this machine may not have; examples that are no defaults.
    const auto change = [&](const std::string& from, const std::string& to) {
        const auto at = text.find(from);
        REQUIRE_MESSAGE(at != std::string::npos, from);
        text.replace(at, from.size(), to);
    };
    change("#process:\n  #user: xknock\n  #worker_user: xknock-worker\n",
           "process: {user: 62001, worker_user: 62002}\n");
    change("#external:", "# external:");
    change("#local_addresses:", "# local_addresses:");
    change("#admin_group: xknock-admin", "#admin_group: 0");
    change("#read_group: xknock-read", "#read_group: 0");
    const Etc etc;
    etc.write("users/anna.yaml", "name: anna\nservices: [ssh]\n");
    etc.write("xknock.yaml", text);
    const Config sample = etc.good();
    CHECK(sample.interfaces == std::vector<std::string>{"eth0"});

    std::string whole;
    std::size_t revived = 0;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        const auto mark = line.find_first_not_of(' ');
        if (mark != std::string::npos && line[mark] == '#' && mark + 1 < line.size() && line[mark + 1] >= 'a' &&
            line[mark + 1] <= 'z') {
            line.erase(mark, 1);
            ++revived;
        }
        whole += line + "\n";
    }
    CHECK(revived == 25);
    etc.write("xknock.yaml", whole);
    const Config all = etc.good();
    CHECK(all.port == sample.port);
    CHECK(all.answer_as_closed == sample.answer_as_closed);
    CHECK(all.policy.settings.skew == sample.policy.settings.skew);
    CHECK(all.gate_mode == sample.gate_mode);
    CHECK(all.gate_closed == sample.gate_closed);
    CHECK(all.gate_owned == sample.gate_owned);
    CHECK(all.max_grants == sample.max_grants);
    CHECK(all.replay_entries == sample.replay_entries);
    CHECK(all.never_ban == sample.never_ban);
    CHECK(all.policy.services.size() == 1);
    CHECK(all.allow_generic == sample.allow_generic);
    CHECK(all.coexist == sample.coexist);
    CHECK(all.run_priority == sample.run_priority);
    CHECK(all.drop_syn == sample.drop_syn);
    CHECK(all.run_directory == sample.run_directory);
    CHECK(all.state_directory == sample.state_directory);
    CHECK(all.pin_directory == sample.pin_directory);
    CHECK(all.hooks.time_limit == sample.hooks.time_limit);
    CHECK(all.hooks.account.name == "nobody");
}

TEST_CASE("all faults are found at once, each with file, line and column") {
    const Etc etc;
    etc.write("xknock.yaml", "interfaces: [eth0, \"eth 1\", eth0]\n"
                             "prot: 1\n"
                             "stealth: loud\n"
                             "services:\n"
                             "  ssh: tcp/22\n"
                             "  web: [tcp/22, tcp/99999]\n"
                             "process: {user: 62001, worker_user: 62001}\n");
    etc.write("users/anna.yaml", "name: anna\nservices: [shs]\nlifetime: 5\n");
    const std::string bad = etc.bad();
    CHECK(has(bad, "xknock.yaml:1:20: \"eth 1\" is not a name of an interface"));
    CHECK(has(bad, "xknock.yaml:1:29: interface \"eth0\" is there twice"));
    CHECK(has(bad, "xknock.yaml:2:1: unknown key \"prot\" (did you mean \"port\"?)"));
    CHECK(has(bad, "xknock.yaml:3:10: \"loud\" is neither drop nor closed"));
    CHECK(has(bad, "xknock.yaml:6:9: tcp/22 belongs to service \"ssh\" already (see line 5)"));
    CHECK(has(bad, "xknock.yaml:6:17: \"tcp/99999\" is not a protocol and a port"));
    CHECK(has(bad, "users/anna.yaml:2:12: there is no service \"shs\" (did you mean \"ssh\"?)"));
    CHECK(has(bad, "users/anna.yaml:3:11: \"5\" is not a duration"));
}

TEST_CASE("each fault of the main file is named") {
    const Etc etc;
    CHECK(has(etc.bad_main("services: {ssh: tcp/22}\nprocess: {user: 62001, worker_user: 62002}\n"),
              "xknock.yaml:1:1: \"interfaces\" is missing"));
    CHECK(has(etc.bad_main("interfaces: a\nprocess: {user: 62001, worker_user: 62002}\n"),
              "xknock.yaml:1:1: \"services\" is missing"));
    CHECK(has(etc.bad_added("allow: [192.0.2.0/24]\n"),
              "xknock.yaml:6:1: unknown key \"allow\" (\"allow\" belongs under \"gate\": indent it)"));
    CHECK(has(etc.bad_added("port: 0\n"), "xknock.yaml:6:7: \"0\" is not a number from 1 to 65535"));
    CHECK(has(etc.bad_added("clock_skew: 91s\n"), "xknock.yaml:6:13: a clock skew must be from 1s to 90s"));
    CHECK(has(etc.bad_added("port: 4242\nport: 4243\n"), "\"port\" is there twice (the first is in line 6)"));
    CHECK(has(etc.bad_main("interfaces: [a]\nservices: {ssh: udp/62201}\nprocess: {user: 62001, worker_user: 62002}\n"),
              "udp/62201 is the knock port"));
    CHECK(has(etc.bad_main("interfaces: [a]\nservices: {ssh: []}\nprocess: {user: 62001, worker_user: 62002}\n"),
              "service \"ssh\" has no port"));
    CHECK(
        has(etc.bad_main("interfaces: [a]\nservices: {\"s sh\": tcp/22}\nprocess: {user: 62001, worker_user: 62002}\n"),
            "\"s sh\" is not a name"));
    CHECK(has(etc.bad_main("interfaces: []\nservices: {ssh: tcp/22}\nprocess: {user: 62001, worker_user: 62002}\n"),
              "xknock.yaml:1:1: there is no interface"));
    CHECK(has(etc.bad_main("interfaces: [a]\nservices: {}\nprocess: {user: 62001, worker_user: 62002}\n"),
              "xknock.yaml:2:1: there is no service"));
    CHECK(has(etc.bad_main("- a list\n"), "xknock.yaml:1:1: expected a mapping"));
    CHECK(has(etc.bad_main("interfaces: [a\n"), "xknock.yaml:"));
    CHECK(has(etc.bad_main(""), "xknock.yaml: is empty"));
}

TEST_CASE("without an identity of the server nothing goes") {
    const Etc etc;
    etc.write("server_id", "short\n");
    CHECK(has(etc.bad(), "does not hold 32 hexadecimal digits"));
    std::filesystem::remove(etc.path / "server_id");
    CHECK(has(etc.bad(), "knockctl keygen"));
}

TEST_CASE("an empty list is neither anywhere nor always") {
    const Etc etc;
    for (const char* key : {"networks", "hours", "explicit_networks"}) {
        etc.write("users/bob.yaml", std::string("name: bob\nservices: ssh\nbinding: explicit\n") + key + ": []\n");
        CHECK(has(etc.bad(), "\"" + std::string(key) + "\" is an empty list (name something, or leave the key out)"));
    }
    etc.write("users/bob.yaml", "name: bob\nservices: []\n"); // who may open nothing
    CHECK(etc.bad() == "(loaded)");
    CHECK(has(etc.bad_main("interfaces: [a]\nservices: {s: {target: [], ports: tcp/22}}\n"
                           "process: {user: 62001, worker_user: 62002}\n"),
              "\"target\" is an empty list"));
    CHECK(has(etc.bad_added("gate: {mode: external, external: {table: \"\", set4: a, set6: b}}\n"),
              "\"table\" is empty"));
    CHECK(etc.bad_added("gate: {allow: [], never_ban: []}\n") == "(loaded)"); // nobody
}
