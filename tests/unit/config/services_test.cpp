// SPDX-License-Identifier: MIT
#include "daemon/config/services.h"

#include "etc.h"

using namespace xk;
using namespace xk::config;
using namespace std::chrono_literals;
using authz::After;
using authz::Service;
using test::Etc;
using test::has;

namespace {

// The services of a main file that begins with "services:"; its faults, or none.
struct Reading {
    std::vector<Service> services;
    std::string faults;

    explicit Reading(const std::string& text) {
        yaml::Faults found;
        if (auto main = yaml::read(text, "f", found)) {
            services = read_services(*main, {62201}).services;
            main->finish();
        }
        if (!found.empty())
            faults = found.error().message;
    }
};

Service one(const std::string& value) {
    const Reading reading("services:\n  s: " + value + "\n");
    CHECK_MESSAGE(reading.faults.empty(), reading.faults);
    REQUIRE(reading.services.size() == 1);
    return reading.services[0];
}

std::string fault_of(const std::string& value) { return Reading("services:\n  s: " + value + "\n").faults; }

std::vector<std::string> ports_of(const Service& service) {
    std::vector<std::string> texts;
    for (const PortRange& ports : service.all_ports())
        texts.push_back(ports.text());
    return texts;
}

Address address(const char* text) { return Address::parse(text).value(); }

std::string list_of(int number, const std::string& before, int first, int step, const std::string& after = "") {
    std::string list = "[";
    for (int i = 0; i < number; ++i)
        list += (i ? ", " : "") + before + std::to_string(first + i * step) + after;
    return list + "]";
}

} // namespace

TEST_CASE("a port the wrong way round is one fault, with what to write") {
    CHECK(fault_of("22/tcp") == "f:2:6: \"22/tcp\" is the wrong way round (write tcp/22)");
    CHECK(fault_of("27015-27030/udp") == "f:2:6: \"27015-27030/udp\" is the wrong way round (write udp/27015-27030)");
    CHECK(has(fault_of("22/tpc"), "is not a protocol and a port"));
}

TEST_CASE("a service in short: a port, or a list of ports and ranges") {
    const Service ssh = one("tcp/22");
    CHECK(ssh.name.view() == "s");
    CHECK(ssh.id == service_id("s"));
    CHECK(ports_of(ssh) == std::vector<std::string>{"tcp/22"});
    CHECK_FALSE(ssh.is_behind());
    CHECK(ssh.published.port == 0);
    CHECK(ssh.lifetime == 0s);
    CHECK(ssh.max_lifetime == 0s);
    CHECK(ssh.after == After::keep);
    CHECK(ssh.max_connections == 0);
    CHECK_FALSE(ssh.single_use);
    CHECK(ports_of(one("[tcp/80, udp/27015-27030, sctp/5000]")) ==
          std::vector<std::string>{"tcp/80", "udp/27015-27030", "sctp/5000"});
    CHECK_FALSE(needs_own_table(ssh));
}

TEST_CASE("a service as a mapping says the same, and more") {
    CHECK(ports_of(one("{ports: tcp/22}")) == ports_of(one("tcp/22")));
    const Service full = one("{ports: [tcp/22, udp/53], lifetime: 10s, max_lifetime: 2h, "
                             "max_connections: 3, single: true}");
    CHECK(ports_of(full) == std::vector<std::string>{"tcp/22", "udp/53"});
    CHECK(full.lifetime == 10s);
    CHECK(full.max_lifetime == 2h);
    CHECK(full.max_connections == 3);
    CHECK(full.single_use);
    const Service idle = one("{ports: tcp/22, after: idle, idle: 4s}");
    CHECK(idle.after == After::idle);
    CHECK(idle.idle == 4s);
    CHECK(one("{ports: tcp/22, after: cut}").after == After::cut);
    CHECK(one("{ports: tcp/22, after: keep}").after == After::keep);
    CHECK(one("{ports: tcp/22, max_connections: 65535}").max_connections == 65535);
}

TEST_CASE("a target is a host behind this one, of each family, with its port there or in \"ports\"") {
    const Service plain = one("{target: 198.51.100.7, ports: [tcp/22, udp/53]}");
    CHECK(plain.is_behind());
    CHECK(plain.target4 == address("198.51.100.7"));
    CHECK(plain.target6 == Address{});
    CHECK(plain.port_count == 2);
    const Service both = one("{target: [\"198.51.100.7:22\", \"[2001:db8::7]:22\"]}");
    CHECK(both.target4 == address("198.51.100.7"));
    CHECK(both.target6 == address("2001:db8::7"));
    CHECK(ports_of(both) == std::vector<std::string>{"tcp/22"});
    CHECK(one("{target: \"2001:db8::7\", ports: tcp/22}").target6 == address("2001:db8::7"));
    CHECK(ports_of(one("{target: \"198.51.100.7:22\", ports: udp/53}")) ==
          std::vector<std::string>{"tcp/22", "udp/53"});
    const Service published = one("{target: \"198.51.100.7:22\", public: tcp/2222}");
    CHECK(published.published == Endpoint{IpProtocol::tcp, 2222});
    CHECK(one("{target: 198.51.100.7, ports: udp/53, public: udp/5353}").published == Endpoint{IpProtocol::udp, 5353});
}

TEST_CASE("each fault of a port or a name is named, where it stands") {
    CHECK(has(fault_of("http"), "f:2:6: \"http\" is not a protocol and a port or a range of ports (write tcp/22, "
                                "udp/51820 or tcp/27015-27030)"));
    CHECK(has(fault_of("{ports: [tcp/22, tcp/9-8]}"), "f:2:23: \"tcp/9-8\" is not a protocol and a port"));
    CHECK(has(fault_of("[]"), "f:2:3: service \"s\" has no port"));
    CHECK(has(fault_of("{lifetime: 5s}"), "f:2:3: service \"s\" has no port"));
    CHECK(has(fault_of("{port: tcp/22}"), "f:2:7: unknown key \"port\" (did you mean \"ports\"?)"));
    CHECK(has(fault_of("udp/62201"), "f:2:6: udp/62201 is the knock port"));
    CHECK(has(fault_of("udp/62000-63000"), "f:2:6: udp/62000-63000 holds the knock port"));
    CHECK(fault_of("tcp/62201").empty());
    CHECK(fault_of("{target: 198.51.100.7, ports: udp/62201}").empty()); // it is heard here, not there
    CHECK(has(Reading("services:\n  all: tcp/22\n").faults, "f:2:3: \"all\" stands for all services"));
    CHECK(has(Reading("services:\n  all: {ports: tcp/22}\n").faults, "f:2:3: \"all\" stands for all services"));
    CHECK(has(Reading("services:\n  -a: tcp/22\n").faults, "f:2:3: \"-a\" is not a name"));
    CHECK(has(Reading("services:\n  a: tcp/22\n  b: [udp/1, tcp/22]\n").faults,
              "f:3:14: tcp/22 belongs to service \"a\" already (see line 2)"));
    CHECK(has(Reading("services:\n  a: tcp/20-25\n  b: tcp/22\n").faults, "f:3:6: tcp/22 belongs to service \"a\""));
    CHECK(has(Reading("services:\n  a: tcp/22\n  b: tcp/20-25\n").faults,
              "f:3:6: tcp/20-25 belongs to service \"a\" already (see line 2)"));
    CHECK(Reading("services:\n  a: tcp/20-25\n  b: [udp/22, tcp/26]\n").faults.empty());
}

TEST_CASE("what a target and a public port need is named") {
    CHECK(has(fault_of("{target: example.net, ports: tcp/22}"), "f:2:15: \"example.net\" is not an IP address"));
    CHECK(has(fault_of("{target: \"198.51.100.7:0\"}"), "f:2:15: \"198.51.100.7:0\" has no port behind its colon"));
    CHECK(has(fault_of("{target: \"198.51.100.7:ssh\"}"),
              "has no port behind its colon (write 198.51.100.7:22 or [2001:db8::7]:22)"));
    CHECK(has(fault_of("{target: \"[2001:db8::7]\", ports: tcp/22}"), "has no port behind its colon"));
    CHECK(has(fault_of("{target: \"[2001:db8::7:22\"}"), "is not an IP address"));
    for (const char* text : {"127.0.0.1", "\"::1\"", "0.0.0.0", "224.0.0.1", "\"fe80::1\""})
        CHECK(has(fault_of("{target: " + std::string(text) + ", ports: tcp/22}"),
                  "is not the address of a host behind this one"));
    CHECK(has(fault_of("{target: [198.51.100.7, 198.51.100.8], ports: tcp/22}"),
              "f:2:30: a service has one target of each family"));
    CHECK(has(fault_of("{target: [\"198.51.100.7:22\", \"[2001:db8::7]:23\"]}"),
              "f:2:35: both targets have the same port"));
    CHECK(has(fault_of("{target: 198.51.100.7, ports: []}"), "service \"s\" has no port"));
    CHECK(has(fault_of("{ports: tcp/22, public: tcp/2222}"),
              "f:2:3: service \"s\" has a public port, and no target that it leads to"));
    CHECK(has(fault_of("{target: 198.51.100.7, ports: [tcp/22, tcp/23], public: tcp/2222}"),
              "f:2:3: service \"s\" has a public port, so it has one port of its target"));
    CHECK(has(fault_of("{target: 198.51.100.7, ports: udp/53, public: tcp/53}"),
              "f:2:3: service \"s\": the public port and the target's are of different protocols"));
    CHECK(has(fault_of("{target: 198.51.100.7, ports: tcp/22, public: tcp/22-23}"),
              "f:2:52: \"tcp/22-23\" is not a protocol and a port"));
    CHECK(has(fault_of("{target: 198.51.100.7, ports: udp/53, public: udp/62201}"),
              "f:2:44: udp/62201 is the knock port"));
}

TEST_CASE("a port belongs to one service of each host, this one and those behind it") {
    const std::string two = "services:\n  a: tcp/22\n  b: {target: 198.51.100.7, ports: tcp/22}\n";
    CHECK(Reading(two).faults.empty());
    CHECK(Reading(two + "  c: {target: 198.51.100.8, ports: tcp/22}\n").faults.empty());
    CHECK(has(Reading(two + "  c: {target: 198.51.100.7, ports: tcp/22}\n").faults,
              "f:4:36: tcp/22 belongs to service \"b\" already (see line 3)"));
    CHECK(has(Reading(two + "  c: {target: \"198.51.100.7:22\"}\n").faults, "tcp/22 belongs to service \"b\""));
    CHECK(has(Reading(two + "  c: {target: 198.51.100.8, ports: tcp/22, public: tcp/22}\n").faults,
              "f:4:44: tcp/22 belongs to service \"a\" already (see line 2)"));
    // Also where only one of the targets says the port.
    for (const char* targets : {"[\"198.51.100.9:22\", \"2001:db8::7\"]", "[198.51.100.9, \"[2001:db8::7]:22\"]"})
        CHECK(has(Reading("services:\n  a: {target: \"2001:db8::7\", ports: tcp/22}\n  b: {target: " +
                          std::string(targets) + "}\n")
                      .faults,
                  "tcp/22 belongs to service \"a\" already (see line 2)"));
}

TEST_CASE("each fault of a service's rules is named, where it stands") {
    CHECK(has(fault_of("{ports: tcp/22, lifetime: 5}"), "f:2:32: \"5\" is not a duration"));
    CHECK(has(fault_of("{ports: tcp/22, lifetime: 0s}"), "f:2:32: \"0s\" is no time at all"));
    CHECK(has(fault_of("{ports: tcp/22, lifetime: 2h, max_lifetime: 1h}"),
              "f:2:6: lifetime is longer than max_lifetime"));
    CHECK(fault_of("{ports: tcp/22, lifetime: 1h, max_lifetime: 1h}").empty());
    CHECK(has(fault_of("{ports: tcp/22, after: stop}"), "f:2:29: \"stop\" is neither keep, cut nor idle"));
    CHECK(has(fault_of("{ports: tcp/22, after: idle}"), "f:2:6: \"after: idle\" needs \"idle\" (idle: 10m is"));
    CHECK(has(fault_of("{ports: tcp/22, idle: 10m}"), "f:2:6: \"idle\" is for \"after: idle\" only"));
    CHECK(has(fault_of("{ports: tcp/22, after: cut, idle: 10m}"), "\"idle\" is for \"after: idle\" only"));
    CHECK(has(fault_of("{ports: tcp/22, after: idle, idle: 3s}"),
              "f:2:35: sessions are looked for once a second: \"idle\" is at least 4s"));
    CHECK(has(fault_of("{ports: tcp/22, max_connections: 0}"), "f:2:39: \"0\" is not a number from 1 to 65535"));
    CHECK(has(fault_of("{ports: tcp/22, max_connections: 65536}"), "is not a number from 1 to 65535"));
    CHECK(has(fault_of("{ports: tcp/22, single: once}"), "f:2:30: \"once\" is neither true nor false"));
    for (const char* after : {"after: cut", "after: idle, idle: 10m"})
        CHECK(has(fault_of("{ports: tcp/22, single: true, " + std::string(after) + "}"),
                  "f:2:6: \"single\" ends a grant with its first connection: \"after\" can only be keep"));
    CHECK(fault_of("{ports: tcp/22, single: true, after: keep}").empty());
    CHECK(fault_of("{ports: tcp/22, single: false, after: cut}").empty());
}

TEST_CASE("a range goes with after and lifetimes, and with nothing that counts connections or is behind") {
    CHECK(fault_of("{ports: tcp/20-25, after: cut, lifetime: 5s}").empty());
    CHECK(fault_of("{ports: tcp/20-25, after: idle, idle: 1m}").empty());
    for (const char* more : {"max_connections: 3", "single: true", "target: 198.51.100.7"})
        CHECK(has(fault_of("{ports: [tcp/20-25, tcp/30], " + std::string(more) + "}"),
                  "f:2:3: service \"s\" has a range of ports, which goes with neither target, max_connections nor "
                  "single"));
    // A range of one port is that port.
    CHECK(fault_of("{ports: tcp/22-22, single: true}").empty());
}

TEST_CASE("there is an end to ports, ranges and services") {
    CHECK(one(list_of(16, "tcp/", 100, 1)).port_count == 16);
    CHECK(has(fault_of(list_of(17, "tcp/", 100, 1)), "a service has at most 16 ports or ranges"));
    const auto ranges = [](int services) {
        std::string text = "services:\n";
        for (int i = 0; i < services; ++i) {
            text += "  s" + std::to_string(i) + ": [";
            for (int j = 0; j < 16; ++j)
                text += (j ? ", tcp/" : "tcp/") + std::to_string(100 + 40 * (16 * i + j)) + "-" +
                        std::to_string(110 + 40 * (16 * i + j));
            text += "]\n";
        }
        return text;
    };
    CHECK(Reading(ranges(4)).faults.empty());
    CHECK(has(Reading(ranges(4) + "  more: udp/1-2\n").faults, "f:2:3: there are more than 64 ranges of ports"));
    CHECK(Reading(ranges(4) + "  more: udp/1\n").faults.empty());
    std::string many = "services:\n";
    for (int i = 0; i < 256; ++i)
        many += "  s" + std::to_string(i) + ": tcp/" + std::to_string(i + 1) + "\n";
    CHECK(Reading(many).services.size() == 256);
    CHECK(Reading(many).faults.empty());
    CHECK(has(Reading(many + "  last: udp/1\n").faults, "f:258:3: there are more than 256 services"));
}

TEST_CASE("gate mode external takes what one element of the operator's sets can say, and no more") {
    const Etc etc;
    const auto external = [&](const std::string& service) {
        etc.write("xknock.yaml", "interfaces: [a]\nservices:\n  ssh: tcp/22\n  web: " + service +
                                     "\nprocess: {user: 62001, worker_user: 62002}\n"
                                     "gate: {mode: external, external: {table: t, set4: a, set6: b}}\n");
        return etc.load() ? std::string() : etc.bad();
    };
    CHECK(external("[tcp/80, tcp/443]") == "");
    CHECK(external("{ports: tcp/80, lifetime: 5s, max_lifetime: 10s}") == "");
    CHECK(external("{ports: tcp/80, after: idle, idle: 1m}") == "");
    for (const char* service : {"tcp/80-90", "{ports: tcp/80, after: cut}", "{ports: tcp/80, max_connections: 2}",
                                "{ports: tcp/80, single: true}", "{target: \"198.51.100.7:80\"}",
                                "{target: \"198.51.100.7:80\", public: tcp/80}"})
        CHECK_MESSAGE(has(external(service), "xknock.yaml:6:7: service \"web\" has a range, a target, max_connections, "
                                             "single or after: cut, which gate mode \"external\" cannot do"),
                      service);
}

TEST_CASE("the ruleset is told of ranges and of hosts behind this one") {
    const Etc etc;
    const auto config = [&](const std::string& web) {
        etc.write("xknock.yaml", "interfaces: [a]\nservices:\n  ssh: tcp/22\n  web: " + web +
                                     "\nprocess: {user: 62001, worker_user: 62002}\n");
        return etc.good();
    };
    CHECK(config("tcp/80").ranges().empty());
    CHECK_FALSE(config("tcp/80").has_targets());
    const auto ranges = config("[tcp/80, tcp/90-99, udp/90-99]").ranges();
    REQUIRE(ranges.size() == 2);
    CHECK(ranges[0].text() == "tcp/90-99");
    CHECK(ranges[1].text() == "udp/90-99");
    CHECK(config("{target: \"[2001:db8::7]:80\"}").has_targets());
}
