// SPDX-License-Identifier: MIT
#include "etc.h"

#include "daemon/config/user_rules.h"
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

TEST_CASE("credentials inherit what their user may") {
    const Etc etc;
    const Config c = etc.good();
    REQUIRE(c.policy.credentials.size() == 3);
    REQUIRE(c.secrets.size() == 3);
    const auto& laptop = c.policy.credentials[0];
    CHECK(laptop.label() == "anna/laptop");
    CHECK(laptop.factor == FactorKind::totp);
    CHECK(laptop.totp_digits == 6);
    CHECK(laptop.services.count() == 2);
    CHECK(laptop.lifetime == 0s);
    CHECK(laptop.max_lifetime == 0s);
    CHECK(laptop.binding == authz::Binding::any);
    CHECK(to_hex(laptop.id) == "0000000000000001");
    CHECK(c.secrets[0].key == (etc.path / "credentials/anna.laptop.key").string());
    CHECK(c.secrets[0].factor == (etc.path / "credentials/anna.laptop.otp").string());
    const auto& pc = c.policy.credentials[2];
    CHECK(pc.label() == "bob/pc");
    CHECK(pc.services.count() == 1);
    CHECK(pc.binding == authz::Binding::match);
    CHECK(pc.lifetime == 10s);
    CHECK(pc.max_lifetime == 20s);
    CHECK(c.secrets[2].factor.empty());
    CHECK(open_secrets(c, 0).value().size() == 2);
    CHECK(open_secrets(c, 2).value().size() == 1);
}

TEST_CASE("hooks are argument lists of their services, and run as a user who is nobody else") {
    const Etc etc;
    const auto main = [&](const std::string& hooks, const std::string& more) {
        etc.write("xknock.yaml",
                  "interfaces: [eth0]\nservices:\n  web: {ports: [tcp/80, tcp/443]}\n  ssh: {ports: tcp/22, " + hooks +
                      "}\nprocess: {user: 62001, worker_user: 62002}\n" + more);
    };
    main("on_open: [/bin/a, b c, '$d', ''], on_close: /bin/e", "hooks: {user: 62003, time_limit: 90s}\n");
    const Config c = etc.good();
    REQUIRE(c.hooks.services.size() == 2);
    CHECK(c.hooks.any());
    CHECK(c.hooks.services[0].on_open.empty());
    CHECK(c.hooks.services[1].on_open == std::vector<std::string>{"/bin/a", "b c", "$d", ""});
    CHECK(c.hooks.services[1].on_close == std::vector<std::string>{"/bin/e"});
    CHECK(c.hooks.account.uid == 62003);
    CHECK(c.hooks.time_limit == 90s);

    main("after: keep", "");
    const Config none = etc.good();
    CHECK_FALSE(none.hooks.any());
    CHECK(none.hooks.time_limit == 10s);
    main("on_open: /bin/a", "");
    CHECK(etc.good().hooks.account.name == "nobody");

    const std::string user = "hooks: {user: 62003}\n";
    const auto bad = [&](const std::string& hooks, const std::string& more) {
        main(hooks, more);
        return etc.bad();
    };
    CHECK(has(bad("on_open: []", user), "xknock.yaml:4:24: \"on_open\" names no program"));
    CHECK(has(bad("on_open: bin/a", user), "\"bin/a\" is not an absolute path"));
    CHECK(has(bad("on_close: ['', /bin/a]", user), "\"\" is not an absolute path"));
    CHECK(has(bad("on_open: [/bin/a, \"x\\0y\"]", user), "an argument cannot hold a zero byte"));
    const std::string fifteen = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15";
    CHECK(has(bad("on_open: [/bin/a, " + fifteen + ", 16]", user), "a hook has at most 16 arguments of 1024 bytes"));
    main("on_open: [/bin/a, " + fifteen + "]", user);
    CHECK(etc.good().hooks.services[1].on_open.size() == 16);
    CHECK(has(bad("on_open: [/bin/a, " + std::string(1017, 'x') + "]", user), "a hook has at most 16 arguments"));
    main("on_open: [/bin/a, " + std::string(1016, 'x') + "]", user);
    CHECK(etc.good().hooks.any());
    CHECK(has(bad("on_open: /bin/a", "hooks: {user: 0}\n"), "the hooks' user \"0\" is root, or of root's group"));
    CHECK(has(bad("on_open: /bin/a", "hooks: {user: 62001}\n"), "must be another than process.user"));
    CHECK(has(bad("on_open: /bin/a", "hooks: {user: 62002}\n"), "must be another than process.user"));
    CHECK(has(bad("on_open: /bin/a", user + "control: {admin_group: 62003}\n"), "has the group control.admin_group"));
    CHECK(has(bad("on_open: /bin/a", "hooks: {user: no-such-user}\n"), "there is no user \"no-such-user\""));
    CHECK(has(bad("on_open: /bin/a", "hooks: {time_limit: 6m}\n"), "time_limit must be from 1s to 5m"));
    CHECK(has(bad("on_open: /bin/a", "hooks: {time_limit: 0s}\n"), "time_limit must be from 1s to 5m"));
    CHECK(has(bad("on_open: /bin/a", "hooks: {limit: 1s}\n"), "unknown key \"limit\""));
}

TEST_CASE("a disabled user disables all his devices, a disabled device only itself") {
    const Etc etc;
    etc.write("users/anna.yaml", "name: anna\nservices: [ssh]\nenabled: false\n");
    etc.credential("bob.pc", "user: bob\ndevice: pc\nid: 0000000000000003\nfactor: none\nenabled: false\n");
    etc.credential("bob.tab", "user: bob\ndevice: tab\nid: 0000000000000004\nfactor: none\n");
    const Config c = etc.good();
    for (const auto& credential : c.policy.credentials)
        CHECK(credential.enabled == (credential.label() == "bob/tab"));
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
    CHECK(has(etc.bad_added("port: 0\n"), "xknock.yaml:6:7: \"0\" is not a number from 1 to 65535"));
    CHECK(has(etc.bad_added("clock_skew: 91s\n"), "xknock.yaml:6:13: a clock skew must be from 1s to 90s"));
    CHECK(has(etc.bad_added("xdp: {allow_generik: true}\n"), "did you mean \"allow_generic\"?"));
    CHECK(has(etc.bad_added("xdp: {allow_generic: yes}\n"), "\"yes\" is neither true nor false"));
    CHECK(has(etc.bad_added("xdp: {coexist: yes}\n"), "\"yes\" is neither none nor libxdp"));
    CHECK(has(etc.bad_added("xdp: {priority: 65536}\n"), "\"65536\" is not a number from 0 to 65535"));
    CHECK(has(etc.bad_added("xdp: {local_addresses: [eth0]}\n"), "\"eth0\" is not an IP address"));
    CHECK(has(etc.bad_added("xdp: {local_addresses: [\"a\\e[2Jb\"]}\n"), "\"a\\x1b[2Jb\" is not an IP address"));
    CHECK(has(etc.bad_added("gate: {allow: [192.0.2.1/24]}\n"), "did you mean 192.0.2.0/24?"));
    CHECK(has(etc.bad_added("gate: {allow: [0.0.0.0/0]}\n"), "\"0.0.0.0/0\" allows everybody"));
    CHECK(has(etc.bad_added("gate: {allow: [\"::/0\"]}\n"), "\"::/0\" allows everybody"));
    CHECK(has(etc.bad_added("gate: {mode: extern}\n"), "\"extern\" is neither table nor external"));
    CHECK(has(etc.bad_added("gate: {mode: external}\n"), "needs \"external\""));
    CHECK(has(etc.bad_added("gate: {mode: external, external: {table: t, set4: a}}\n"), "\"set6\" is missing"));
    CHECK(has(etc.bad_added("gate: {external: {table: t, set4: a, set6: b}}\n"), "is for gate mode \"external\" only"));
    CHECK(has(etc.bad_added("gate: {mode: external, allow: [192.0.2.1], external: {table: t, set4: a, set6: b}}\n"),
              "\"allow\" is for gate mode \"table\" only"));
    CHECK(has(etc.bad_added("gate: {max_grants: 0}\n"), "is not a number from 1 to 65536"));
    CHECK(has(etc.bad_added("gate: {replay_entries: 4095}\n"), "is not a number from 4096 to 1048576"));
    CHECK(has(etc.bad_added("control: {admin_group: no-such-group}\n"), "there is no group \"no-such-group\""));
    CHECK(has(etc.bad_added("paths: {run: relative}\n"), "\"relative\" is not an absolute path"));
    CHECK(has(etc.bad_added("port: 4242\nport: 4243\n"), "\"port\" is there twice (the first is in line 6)"));
    CHECK(has(etc.bad_main("interfaces: [a]\nservices: {ssh: udp/62201}\nprocess: {user: 62001, worker_user: 62002}\n"),
              "udp/62201 is the knock port"));
    CHECK(has(etc.bad_main("interfaces: [a]\nservices: {ssh: []}\nprocess: {user: 62001, worker_user: 62002}\n"),
              "service \"ssh\" has no port"));
    CHECK(
        has(etc.bad_main("interfaces: [a]\nservices: {\"s sh\": tcp/22}\nprocess: {user: 62001, worker_user: 62002}\n"),
            "\"s sh\" is not a name"));
    CHECK(has(
        etc.bad_main("interfaces: [a]\nservices: {ssh: tcp/22}\nprocess: {user: nobody-here, worker_user: 62002}\n"),
        "there is no user \"nobody-here\""));
    // Nothing is said of who may read the secrets then: every hint would be wrong.
    CHECK(!has(etc.bad(), "chgrp"));
    CHECK(has(etc.bad_main("interfaces: []\nservices: {ssh: tcp/22}\nprocess: {user: 62001, worker_user: 62002}\n"),
              "xknock.yaml:1:1: there is no interface"));
    CHECK(has(etc.bad_main("interfaces: [a]\nservices: {}\nprocess: {user: 62001, worker_user: 62002}\n"),
              "xknock.yaml:2:1: there is no service"));
    // -1 as a uid or gid would leave the process what it is: root.
    CHECK(
        has(etc.bad_main("interfaces: [a]\nservices: {ssh: tcp/22}\nprocess: {user: 4294967295, worker_user: 62002}\n"),
            "there is no user \"4294967295\""));
    CHECK(has(etc.bad_added("control: {admin_group: 4294967295}\n"), "there is no group \"4294967295\""));
    CHECK(has(etc.bad_main("interfaces: [a]\nservices: {ssh: tcp/22}\nprocess: {user: 62001, worker_user: 62001}\n"),
              "must be two different users"));
    CHECK(has(etc.bad_main("interfaces: [a]\nservices: {ssh: tcp/22}\nprocess: {user: 0, worker_user: 62001}\n"),
              "may be root"));
    CHECK(has(etc.bad_main("- a list\n"), "xknock.yaml:1:1: expected a mapping"));
    CHECK(has(etc.bad_main("interfaces: [a\n"), "xknock.yaml:"));
    CHECK(has(etc.bad_main(""), "xknock.yaml: is empty"));
}

TEST_CASE("each fault of a user or credential is named") {
    const Etc etc;
    const auto bad_user = [&](const std::string& text) {
        etc.write("users/anna.yaml", text);
        return etc.bad();
    };
    CHECK(has(bad_user("services: [ssh]\n"), "users/anna.yaml:1:1: \"name\" is missing"));
    CHECK(has(bad_user("name: anna\n"), "\"services\" is missing"));
    CHECK(has(bad_user("name: \"an na\"\nservices: [ssh]\n"), "users/anna.yaml:1:7: \"an na\" is not a name"));
    CHECK(has(bad_user("name: anna\nservices: [ssh]\nadmin: true\n"), "users/anna.yaml:3:1: unknown key \"admin\""));
    CHECK(has(bad_user("name: anna\nservices: [ssh]\nlifetime: 0s\n"), "is no time at all"));
    CHECK(has(bad_user("name: anna\nservices: [ssh]\nlifetime: 2h\nmax_lifetime: 1h\n"),
              "lifetime is longer than max_lifetime"));
    CHECK(has(bad_user("name: anna\nservices: [ssh]\nvalid_until: tomorrow\n"), "\"tomorrow\" is not a date"));
    CHECK(has(bad_user("name: anna\nservices: [ssh]\nvalid_from: 2026-02-01\nvalid_until: 2026-01-01\n"),
              "valid_until is not after valid_from"));
    CHECK(has(bad_user("name: bob\nservices: [ssh]\n"),
              "users/bob.yaml:1:7: user \"bob\" is there twice (the first is at users/anna.yaml:1:7)"));
    etc.write("users/anna.yaml", "name: anna\nservices: [ssh, web]\n");

    const auto bad_credential = [&](const std::string& text) {
        etc.write("credentials/anna.phone.yaml", text);
        return etc.bad();
    };
    const std::string rest = "device: phone\nid: 0000000000000002\nfactor: hmac\n";
    CHECK(has(bad_credential("device: phone\n"), "credentials/anna.phone.yaml:1:1: \"user\" is missing"));
    CHECK(has(bad_credential("user: carl\n" + rest), "credentials/anna.phone.yaml:1:7: there is no user \"carl\""));
    CHECK(
        has(bad_credential("user: anna\ndevice: phone\nid: 123\nfactor: hmac\n"), "\"123\" is not a credential's id"));
    CHECK(has(bad_credential("user: anna\ndevice: phone\nid: 0000000000000000\nfactor: hmac\n"), "not all zero"));
    CHECK(has(bad_credential("user: anna\ndevice: phone\nid: ffffffffffffffff\nfactor: hmac\n"), "not all f"));
    CHECK(has(bad_credential("user: anna\ndevice: phone\nid: 0000000000000001\nfactor: hmac\n"),
              "credential id 0000000000000001 is there twice (the first is at credentials/anna.laptop.yaml:1:1)"));
    CHECK(has(bad_credential("user: anna\ndevice: laptop\nid: 0000000000000002\nfactor: hmac\n"),
              "device \"anna/laptop\" is there twice"));
    CHECK(has(bad_credential("user: anna\ndevice: phone\nid: 0000000000000002\nfactor: sms\n"),
              "\"sms\" is not a second factor (write totp, hmac or none)"));
    CHECK(has(bad_credential("user: anna\n" + rest + "digits: 7\n"), "a code has 6 or 8 digits"));
}

TEST_CASE("a secret that others can read, or that is not there, is named with the remedy") {
    const Etc etc;
    etc.write("credentials/anna.laptop.key", "x", 0644);
    etc.write("credentials/anna.laptop.otp", "x", 0604);
    CHECK(has(etc.bad(), "credentials/anna.laptop.key: can be read by others (mode 0644) (chgrp 62001"));
    CHECK(has(etc.bad(), "credentials/anna.laptop.otp: can be read by others (mode 0604)"));
    std::filesystem::remove(etc.path / "credentials/anna.laptop.key");
    CHECK(has(etc.bad(), "No such file"));
}

TEST_CASE("files that others can write are refused") {
    const Etc etc;
    etc.write("users/anna.yaml", "name: anna\nservices: [ssh]\n", 0666);
    CHECK(has(etc.bad(), "users/anna.yaml: can be written by others (mode 0666)"));
}

TEST_CASE("without an identity of the server nothing goes") {
    const Etc etc;
    etc.write("server_id", "short\n");
    CHECK(has(etc.bad(), "does not hold 32 hexadecimal digits"));
    std::filesystem::remove(etc.path / "server_id");
    CHECK(has(etc.bad(), "knockctl keygen"));
}

TEST_CASE("a user without a credential is worth a warning, not a fault") {
    const Etc etc;
    etc.write("users/carl.yaml", "name: carl\nservices: [ssh]\n");
    const Config c = etc.good();
    REQUIRE(c.warnings.size() == 1);
    CHECK(has(c.warnings[0], "user \"carl\" has no credential"));
}

TEST_CASE("only .yaml files that are not hidden are read") {
    const Etc etc;
    for (const char* name : {"users/anna.yaml~", "users/.anna.yaml", "users/anna.yaml.dpkg-old"})
        etc.write(name, "nonsense: true\n");
    CHECK(etc.good().policy.credentials.size() == 3);
}

TEST_CASE("dates are days or seconds in UTC") {
    CHECK(parse_date("1970-01-02").value() == WallTime(86400s));
    CHECK(parse_date("2026-11-21T10:20:30Z").value() == WallTime(1795256430s));
    for (const char* text : {"", "2026", "2026-13-01", "2026-02-30", "2026-1-1", "2026-01-01T24:00:00Z",
                             "2026-01-01T00:00:00", "2026-01-01 00:00:00Z", "2026-01-01T00:00:60Z", "20x6-01-01"})
        CHECK_MESSAGE(!parse_date(text).has_value(), text);
}

TEST_CASE("accounts are found by name and number") {
    CHECK(find_account("root").value().uid == 0);
    CHECK(find_account("62001").value().uid == 62001);
    CHECK(find_account("62001").value().gid == 62001);
    CHECK_FALSE(find_account("no-such-user-here").has_value());
    CHECK_FALSE(find_account("").has_value());
}

TEST_CASE("a fault in one user's or device's file leaves out that one, when it is asked for") {
    const auto labels = [](const Etc& etc) {
        const auto config = etc.load_others();
        REQUIRE_MESSAGE(config.has_value(), (config ? "" : config.error().message));
        std::string all;
        for (const authz::Credential& credential : config->policy.credentials)
            all += credential.label() + " ";
        CHECK(config->secrets.size() == config->policy.credentials.size());
        return all + std::to_string(config->disabled.size());
    };
    SUBCASE("a good configuration has all") {
        const Etc etc;
        CHECK(labels(etc) == "anna/laptop anna/phone bob/pc 0");
    }
    SUBCASE("a user's file: his devices are out too, and have no fault of their own") {
        const Etc etc;
        for (const char* text :
             {"name: anna\nservices: ssh\nlifetme: 1s\n", "[", "name: anna\nservices: [shh]\n", "services: ssh\n",
              "name: \"\"\nservices: ssh\n", "name: anna\nservices: ssh\nhours: []\n"}) {
            etc.write("users/anna.yaml", text);
            CHECK_MESSAGE(labels(etc) == "bob/pc 1", text);
        }
        CHECK(etc.load_others()->disabled[0].file == (etc.path / "users/anna.yaml").string());
        CHECK(has(etc.load_others()->disabled[0].faults[0], "users/anna.yaml:3:8: \"hours\" is an empty list"));
    }
    SUBCASE("a device's file, or its secrets") {
        const Etc etc;
        etc.credential("anna.laptop", "user: anna\ndevice: laptop\nid: 01\nfactor: totp\n");
        CHECK(labels(etc) == "anna/phone bob/pc 1");
        etc.write("credentials/anna.phone.key", "x", 0644);
        CHECK(labels(etc) == "bob/pc 2");
    }
    SUBCASE("what two files claim is nobody's, whichever is read first") {
        for (const char* stem : {"aaaa", "zzzz"}) {
            const Etc etc;
            etc.credential(stem, "user: bob\ndevice: other\nid: 0000000000000002\nfactor: none\n");
            CHECK(labels(etc) == "anna/laptop bob/pc 2");
        }
        for (const char* stem : {"aaaa", "zzzz"}) {
            const Etc etc;
            etc.write(std::string("users/") + stem + ".yaml", "name: anna\nservices: [ssh]\n");
            CHECK(labels(etc) == "bob/pc 2");
        }
        const Etc etc; // also where the other one has another fault besides
        etc.credential("bob.other", "user: bob\ndevice: other\nid: 0000000000000002\nfactor: nonsense\n");
        CHECK(labels(etc) == "anna/laptop bob/pc 2");
        etc.write("users/robert.yaml", "name: bob\nservices: [ssh]\nlifetme: 1s\n");
        CHECK(labels(etc) == "anna/laptop 4");
    }
    SUBCASE("the file of a user with a fault lends its name to nobody") {
        const Etc etc;
        etc.write("users/robert.yaml", "name: bob\nservices: [ssh]\nlifetme: 1s\n");
        etc.credential("robert.pc", "user: robert\ndevice: pc\nid: 0000000000000009\nfactor: none\n");
        CHECK(labels(etc) == "anna/laptop anna/phone 2");
    }
    SUBCASE("everything else is a fault of the whole, with those of the files") {
        const Etc etc;
        etc.write("server_id", "none");
        etc.write("users/anna.yaml", "[");
        const auto config = etc.load_others();
        REQUIRE_FALSE(config.has_value());
        CHECK(has(config.error().message, "server_id"));
        CHECK(has(config.error().message, "users/anna.yaml"));
    }
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

TEST_CASE("a start that fails shuts, or opens where somebody wants that") {
    const Etc etc;
    CHECK(etc.good().shut_on_failure);
    etc.write("xknock.yaml", std::string(Etc::kMain) + "gate: {on_failure: open}\n");
    CHECK_FALSE(etc.good().shut_on_failure);
    CHECK(has(etc.bad_added("gate: {on_failure: shutt}\n"), "\"shutt\" is neither shut nor open"));
}

TEST_CASE("where the paths are is made out in a file that is no good") {
    const Etc etc;
    const auto guess = [&](const std::string& text) {
        etc.write("xknock.yaml", text, 0666);
        const config::Paths paths = config::guess_paths((etc.path / "xknock.yaml").string());
        return paths.run + " " + paths.state + " " + paths.bpf;
    };
    const std::string standard = "/run/xknock /var/lib/xknock /sys/fs/bpf/xknock";
    CHECK(config::guess_paths((etc.path / "none.yaml").string()).state == "/var/lib/xknock");
    CHECK(guess("services: {ssh: [tcp/22\n") == standard);
    CHECK(guess("ssh: [\npaths: {run: /a/run, state: \"/a/state\", bpf: /a/bpf}\n") == "/a/run /a/state /a/bpf");
    CHECK(guess("paths:\n  state: '/b'\n  run: /c # not: /d\n\t[") == "/c /b /sys/fs/bpf/xknock");
    CHECK(guess("# paths: {run: /a, state: /b}\nstate: relative\nunstate: /x\nstate:\n") == standard);
}
