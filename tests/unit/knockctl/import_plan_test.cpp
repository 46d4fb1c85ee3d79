// SPDX-License-Identifier: MIT
// How what another server had fits into a configuration: names, services, listeners, and the text of the main file.
#include "tools/knockctl/host/import/plan.h"

#include "tests/unit/config/etc.h"

using namespace xk;
using namespace xk::tools;
using namespace xk::tools::takeover;
using test::Etc;
using test::has;

namespace {

ImportOptions options_for(const Etc& etc, const std::string& kind) {
    ImportOptions options;
    options.kind = kind;
    options.config_file = (etc.path / "xknock.yaml").string();
    return options;
}

OldDevice device_for(const std::string& name, std::vector<PortRange> ports) {
    OldDevice device;
    device.title = "one";
    device.wanted_name = name;
    device.ports = std::move(ports);
    return device;
}

const PortRange kSsh{IpProtocol::tcp, 22, 22}, kWeb{IpProtocol::tcp, 443, 443}, kMail{IpProtocol::tcp, 25, 25};
const std::set<Address> kOwn{Address::v4(192, 0, 2, 1)};

Plan planned(const Etc& etc, OldServer server, const ImportOptions& options) {
    auto plan = make_plan(std::move(server), etc.good(), options, kOwn);
    REQUIRE(plan.has_value());
    return *plan;
}

std::string names(const Plan& plan) {
    std::string text;
    for (const OldDevice& device : plan.server.devices)
        text += (text.empty() ? "" : " ") + device.user.name;
    return text;
}

bool has_row(const Plan& plan, const std::string& part) {
    for (const Row& row : plan.server.rows)
        if (row.why.find(part) != std::string::npos)
            return true;
    return false;
}

std::string main_with(const std::string& services, const Additions& additions) {
    const config::Config config;
    const auto text = add_to_main("interfaces: [eth0]\n" + services, "xknock.yaml", config, additions);
    return text ? *text : "refused: " + text.error().message + " (" + text.error().hint + ")";
}

} // namespace

TEST_CASE("names of other programs become names of ours, each once") {
    CHECK(as_name("anna") == "anna");
    CHECK(as_name("  Mary Jane! ") == "Mary-Jane");
    CHECK(as_name("../../etc/passwd") == "etc-passwd");
    CHECK(as_name("a\nb\x1b[31m") == "a-b-31m");
    CHECK(as_name("\xc3\xa4\xc3\xb6") == "");
    CHECK(as_name(std::string(100, 'x')) == std::string(32, 'x'));
    for (const char* const text : {"-", "...", "_", "", " \t"})
        CHECK(as_name(text) == "");
    const Etc etc;
    OldServer server;
    for (const char* const name : {"kim", "kim", "k/m", "", "\x01", ""})
        server.devices.push_back(device_for(name, {kSsh}));
    server.devices.push_back(device_for(std::string(40, 'y'), {kSsh}));
    server.devices.push_back(device_for(std::string(41, 'y'), {kSsh}));
    const Plan plan = planned(etc, server, options_for(etc, "knockd"));
    CHECK(names(plan) ==
          "kim kim-2 k-m knockd knockd-2 knockd-3 " + std::string(32, 'y') + " " + std::string(30, 'y') + "-2");
    CHECK(has_row(plan, "user kim-2: \"kim\" is a name that another one has"));
    CHECK(has_row(plan, "user k-m: \"k/m\" is no name here"));
}

TEST_CASE("ports are services that are there, or new ones") {
    const Etc etc;
    OldServer server;
    server.devices = {device_for("kim", {kSsh, kWeb, kMail}), device_for("lee", {kMail}), device_for("max", {})};
    const Plan plan = planned(etc, server, options_for(etc, "knockd"));
    CHECK(plan.server.devices[0].user.services == std::vector<std::string>{"ssh", "web", "tcp-25"});
    CHECK(plan.server.devices[1].user.services == std::vector<std::string>{"tcp-25"});
    CHECK(plan.server.devices[2].user.services == std::vector<std::string>{"all"});
    CHECK(has_row(plan, "service web, which has tcp/80, tcp/443: all of it may be opened"));
    CHECK(plan.what_shuts() == "tcp-25 (tcp/25)");
    CHECK(plan.exists.empty());
}

TEST_CASE("ports that must stay shut take their services away") {
    const Etc etc;
    OldServer server;
    server.devices = {device_for("kim", {})};
    server.devices[0].except = {kWeb};
    CHECK(planned(etc, server, options_for(etc, "fwknop")).server.devices[0].user.services ==
          std::vector<std::string>{"ssh"});
}

TEST_CASE("a range that is only in part a service's is not guessed at") {
    const Etc etc;
    OldServer server;
    server.devices = {device_for("kim", {PortRange{IpProtocol::tcp, 8000, 8001}, PortRange{IpProtocol::tcp, 20, 30}})};
    const Plan plan = planned(etc, server, options_for(etc, "knockd"));
    CHECK(plan.server.devices.empty());
    CHECK(plan.additions.services.empty()); // nor is the half of it that was possible
    CHECK(has_row(plan, "service ssh has a part of tcp/20-30"));
}

TEST_CASE("who is there already is never changed") {
    const Etc etc;
    OldServer server;
    server.devices = {device_for("anna", {kSsh}), device_for("kim", {kSsh}), device_for("bob", {kSsh})};
    const Plan plan = planned(etc, server, options_for(etc, "knockd"));
    CHECK(plan.exists == std::vector<std::string>{"user anna", "user bob"});
}

TEST_CASE("a target of capyknock is this host or that of a service") {
    const Etc etc;
    OldServer server;
    server.capyknock_port = 5001;
    for (const char* const target : {"192.0.2.1", "203.0.113.7"}) {
        OldDevice device = device_for("kim", {kSsh});
        device.device.kind = authz::DeviceKind::capyknock;
        device.device.name = target;
        device.device.target = *Address::parse(target);
        device.device.port = 22;
        server.devices.push_back(device);
    }
    const Plan plan = planned(etc, server, options_for(etc, "capyknock"));
    CHECK(names(plan) == "kim");
    CHECK(has_row(plan, "203.0.113.7 is neither an address of this host nor the target of a service"));
    CHECK(plan.additions.capyknock_port == 5001);
    etc.write("xknock.yaml", std::string(Etc::kMain) + "legacy: {capyknock: {port: 5002}}\n");
    CHECK(planned(etc, server, options_for(etc, "capyknock")).exists ==
          std::vector<std::string>{"legacy.capyknock with port 5002, not 5001"});
    etc.write("xknock.yaml", "interfaces: eth0\nservices: {nas: {target: \"203.0.113.7:22\"}}\n"
                             "process: {user: 62001, worker_user: 62002}\n");
    etc.write("users/anna.yaml", "name: anna\nservices: nas\n");
    etc.write("users/bob.yaml", "name: bob\nservices: nas\n");
    const Plan behind = planned(etc, server, options_for(etc, "capyknock"));
    REQUIRE(behind.server.devices.size() == 2);
    CHECK(behind.server.devices[1].user.services == std::vector<std::string>{"nas"});
    CHECK(behind.what_shuts() == "ssh (tcp/22)");
}

TEST_CASE("odds of guessing are the operator's to accept") {
    const Etc etc;
    OldServer server;
    server.open_ports = {8080};
    server.devices = {device_for("", {kSsh})};
    server.devices[0].user.modes = {authz::KnockMode::packet, authz::KnockMode::c_lock};
    ImportOptions options = options_for(etc, "c-lock");
    const Plan plan = planned(etc, server, options);
    CHECK(plan.server.devices[0].user.modes == std::vector{authz::KnockMode::packet});
    CHECK_FALSE(plan.additions.c_lock.has_value());
    CHECK(has(plan.server.next.at(0), "c_lock: {max_guess_odds: 5.0e-04, open_ports: [tcp/8080]}"));
    options.accepted_odds = "5e-4";
    const Plan accepted = planned(etc, server, options);
    CHECK(accepted.server.devices[0].user.modes.size() == 2);
    CHECK(accepted.additions.c_lock == "{max_guess_odds: 5e-4, open_ports: [tcp/8080]}");
    for (const char* const wrong : {"4e-4", "1", "0", "x", "5e-4]}"}) {
        options.accepted_odds = wrong;
        const auto refused = make_plan(server, etc.good(), options, kOwn);
        REQUIRE_FALSE(refused.has_value());
        CHECK(refused.error().exit == Exit::usage);
    }
    etc.write("xknock.yaml", std::string(Etc::kMain) + "c_lock: {max_guess_odds: 5e-4}\n");
    options.accepted_odds.clear();
    const Plan before = planned(etc, server, options);
    CHECK(before.server.devices[0].user.modes.size() == 2);
    CHECK_FALSE(before.additions.c_lock.has_value());
}

TEST_CASE("options that make no sense are refused") {
    const Etc etc;
    const auto refused = [&](const std::string& kind, auto change) {
        ImportOptions options = options_for(etc, kind);
        change(options);
        OldServer server;
        server.fwknop_port = 62201;
        server.devices = {device_for("kim", {})};
        server.devices[0].device.kind = authz::DeviceKind::fwknop;
        const auto plan = make_plan(server, etc.good(), options, kOwn);
        REQUIRE_FALSE(plan.has_value());
        CHECK(plan.error().exit == Exit::usage);
        return plan.error().message + plan.error().hint;
    };
    CHECK(has(refused("fwknop", [](auto& o) { o.user = "a\nb"; }), "there is a line end in it"));
    CHECK(has(refused("fwknop", [](auto& o) { o.services = {"shs"}; }), "did you mean \"ssh\""));
    CHECK(has(refused("fwknop", [](auto& o) { o.port = "0"; }), "is no port"));
    CHECK(has(refused("fwknop", [](auto& o) { o.port = "22x"; }), "is no port"));
    CHECK(has(refused("knockd", [](auto& o) { o.port = "22"; }), "--port is for fwknop"));
    CHECK(has(refused("knockd", [](auto& o) { o.accepted_odds = "5e-4"; }), "it is for c-lock"));
}

TEST_CASE("the main file gets new services where its own stand, and keeps every other line") {
    const Additions additions{
        .services = {{"tcp-25", kMail}, {"ssh", kSsh}}, .capyknock_port = {}, .fwknop_port = {}, .c_lock = {}};
    CHECK(main_with("services: # what opens\n  # the web\n    web: tcp/80\nport: 62201\n", additions) ==
          "interfaces: [eth0]\nservices: # what opens\n    \"tcp-25\": tcp/25\n    \"ssh\": tcp/22\n  # the web\n    "
          "web: "
          "tcp/80\nport: 62201\n");
    CHECK(main_with("services: {web: [tcp/80]} # ours\n", additions) ==
          "interfaces: [eth0]\nservices: {\"tcp-25\": tcp/25, \"ssh\": tcp/22, web: [tcp/80]} # ours\n");
    CHECK(main_with("services: {}\n", additions) ==
          "interfaces: [eth0]\nservices: {\"tcp-25\": tcp/25, \"ssh\": tcp/22}\n");
    for (const char* const other : {"\"services\": {web: tcp/80}\n", "services: &s {web: tcp/80}\n", "services: *s\n",
                                    "services: {ssh: tcp/80}\n", "services:\n"}) {
        CAPTURE(other);
        CHECK(has(main_with(other, additions), "write under \"services:\" \"tcp-25\": tcp/25, \"ssh\": tcp/22"));
    }
}

TEST_CASE("the main file gets listeners, beside one that is there") {
    const Additions fwknop{.services = {}, .capyknock_port = {}, .fwknop_port = 62201, .c_lock = {}};
    CHECK(main_with("services: {}\n", fwknop) == "interfaces: [eth0]\nservices: {}\nlegacy: {fwknop: {port: 62201}}\n");
    config::Config config;
    config.capyknock_port = 5001;
    const auto both = add_to_main("services: {}\nlegacy: {capyknock: {port: 5001}} # old\n", "f", config, fwknop);
    REQUIRE(both.has_value());
    CHECK(*both == "services: {}\nlegacy: {capyknock: {port: 5001}, fwknop: {port: 62201}} # old\n");
    CHECK_FALSE(add_to_main("services: {}\nlegacy:\n  capyknock: {port: 5001}\n", "f", config, fwknop).has_value());
    const Additions odds{.services = {}, .capyknock_port = {}, .fwknop_port = {}, .c_lock = "{max_guess_odds: 5e-4}"};
    CHECK(main_with("services: {}\n", odds) == "interfaces: [eth0]\nservices: {}\nc_lock: {max_guess_odds: 5e-4}\n");
}
