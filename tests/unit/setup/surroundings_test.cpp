// SPDX-License-Identifier: MIT
#include "host.h"

#include <doctest/doctest.h>

using namespace xk;
using namespace xk::tools::setup;
using namespace xk::tools::setup::test;

namespace {

using Names = std::vector<std::string>;

std::vector<std::string> texts(const std::vector<PortRange>& ports) {
    std::vector<std::string> all;
    for (const PortRange& range : ports)
        all.push_back(range.text());
    return all;
}

Interface at(const std::string& name, const std::string& address, bool default_route = false,
             Interface::Kind kind = Interface::ordinary, Names below = {}) {
    return {.name = name,
            .up = true,
            .default_route = default_route,
            .kind = kind,
            .addresses = {*Address::parse(address)},
            .below = std::move(below)};
}

} // namespace

TEST_CASE("default routes are read from the kernel's tables") {
    // A router with a default route, one to a network, one that is rejected, and one that is down.
    const std::string ipv4 = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
                             "ens3\t00000000\t017100CB\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
                             "ens3\t007100CB\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
                             "tun0\t00000000\t0100080A\t0003\t0\t0\t0\t00000080\t0\t0\t0\n"
                             "bad0\t00000000\t00000000\t0203\t0\t0\t0\t00000000\t0\t0\t0\n"
                             "off0\t00000000\t00000000\t0002\t0\t0\t0\t00000000\t0\t0\t0\n";
    CHECK(default_routes4(ipv4) == std::set<std::string>{"ens3"});
    const std::string zeros(32, '0');
    const std::string ipv6 = zeros + " 00 " + zeros +
                             " 00 fe800000000000000000000000000001 00000400 00000001 00000000 00450003     ens3\n" +
                             "20010db8000000000000000000000000 40 " + zeros + " 00 " + zeros +
                             " 00000100 00000001 00000000 00000001     ens4\n" + zeros + " 00 " + zeros + " 00 " +
                             zeros + " ffffffff 00000001 00000000 00200200       lo\n";
    CHECK(default_routes6(ipv6) == std::set<std::string>{"ens3"});
    CHECK(default_routes4("").empty());
    CHECK(default_routes6("nonsense\n").empty());
}

TEST_CASE("the ports of ssh are those of sshd, and that of the caller's session") {
    Surroundings around = plain_server();
    CHECK(texts(ssh_ports(around)) == Names{"tcp/22"});
    around.listeners.push_back(listener("tcp/2222", "sshd"));
    CHECK(texts(ssh_ports(around)) == Names{"tcp/22", "tcp/2222"});
    // systemd holds the socket.
    around.listeners = {listener("tcp/2200", "systemd")};
    around.own->local_port = 2200;
    CHECK(texts(ssh_ports(around)) == Names{"tcp/2200"});
    around.own.reset();
    CHECK(ssh_ports(around).empty());
    around.listeners = {listener("tcp/22", "systemd")};
    CHECK(texts(ssh_ports(around)) == Names{"tcp/22"});
}

TEST_CASE("knocks are heard where clients come in") {
    Surroundings around = plain_server();
    CHECK(interfaces_for_knocks(around) == Names{"eth0"});
    // Guests of a bridge do not knock, and a second network does only if the caller came by it.
    around.interfaces.push_back(at("docker0", "172.17.0.1", false, Interface::bridge));
    around.interfaces.push_back(at("eth1", "10.0.0.5"));
    CHECK(interfaces_for_knocks(around) == Names{"eth0"});
    around.own->local = *Address::parse("10.0.0.5");
    CHECK(interfaces_for_knocks(around) == Names{"eth0", "eth1"});
    // A bridge, a bond and a VLAN are heard below.
    around.own.reset();
    around.interfaces = {at("br0", "203.0.113.5", true, Interface::bridge, {"eno1"}),
                         at("bond0", "198.51.100.5", true, Interface::bond, {"eno2", "eno3"}),
                         at("eno1.7", "192.0.2.5", true, Interface::vlan, {"eno1"})};
    CHECK(interfaces_for_knocks(around) == Names{"eno1", "eno2", "eno3"});
    // No default route: all of those that are up and have an address.
    around.interfaces = {at("host0", "192.0.2.1"), at("host1", "198.51.100.1"),
                         at("docker0", "172.17.0.1", false, Interface::bridge),
                         at("sit0", "192.0.2.9", false, Interface::other)};
    around.interfaces[1].up = false;
    CHECK(interfaces_for_knocks(around) == Names{"host0"});
}

TEST_CASE("clients reach the host by its full name, and where the caller came to") {
    Surroundings around = plain_server();
    CHECK(probable_hosts(around) == Names{"203.0.113.5"});
    around.host_name = "server.example.net";
    CHECK(probable_hosts(around) == Names{"server.example.net", "203.0.113.5"});
    around.own.reset();
    around.interfaces.insert(around.interfaces.begin(), at("eth1", "10.0.0.5"));
    CHECK(probable_hosts(around) == Names{"server.example.net", "203.0.113.5"});
    around.interfaces.pop_back();
    around.host_name.clear();
    CHECK(probable_hosts(around) == Names{"10.0.0.5"});
}

TEST_CASE("what was found is said") {
    const std::string text = text_of(plain_server());
    const auto says = [&](const char* part) { return text.find(part) != std::string::npos; };
    CHECK(says("interface eth0: 203.0.113.5 2001:db8::5, default route"));
    CHECK(says("tcp/22 (sshd), tcp/80 (nginx), tcp/443 (nginx), tcp/5432 (something)"));
    CHECK(says("ssh sessions: 198.51.100.7; yours is from 198.51.100.7"));
    CHECK(says("firewalls beside us: none"));
    CHECK(says("clock: synchronised"));
}
