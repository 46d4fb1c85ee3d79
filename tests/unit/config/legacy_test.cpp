// SPDX-License-Identifier: MIT
#include "etc.h"

using namespace xk;
using namespace xk::config;
using test::Etc;
using test::has;

namespace {

Config with(const Etc& etc, const std::string& legacy) {
    etc.write("xknock.yaml", Etc::kMain + legacy);
    return etc.good();
}

using Ports = std::vector<std::uint16_t>;

} // namespace

TEST_CASE("no old client has a port unless the file gives it one") {
    const Etc etc;
    const Config config = etc.good();
    CHECK(config.capyknock_port == 0);
    CHECK(config.fwknop_port == 0);
    CHECK(config.knock_ports() == Ports{62201});
    CHECK(with(etc, "legacy: {}\n").knock_ports() == Ports{62201});
}

TEST_CASE("each old client has its port, which may be the other one's or that of knocks") {
    const Etc etc;
    Config config = with(etc, "legacy: {capyknock: {port: 5001}, fwknop: {port: 62202}}\n");
    CHECK(config.capyknock_port == 5001);
    CHECK(config.fwknop_port == 62202);
    CHECK(config.knock_ports() == Ports{62201, 5001, 62202});
    config = with(etc, "legacy: {fwknop: {}}\n");
    CHECK(config.capyknock_port == 0);
    CHECK(config.fwknop_port == 62201);
    CHECK(config.knock_ports() == Ports{62201});
    CHECK(with(etc, "legacy: {capyknock: {port: 5001}, fwknop: {port: 5001}}\n").knock_ports() == Ports{62201, 5001});
}

TEST_CASE("a faulty listener is named") {
    const Etc etc;
    CHECK(has(etc.bad_added("legacy: {capyknock: {}}\n"), "a listener needs a port"));
    for (const char* client : {"capyknock", "fwknop"})
        for (const char* port : {"0", "65536", "ssh"})
            CHECK(has(etc.bad_added("legacy: {" + std::string(client) + ": {port: " + port + "}}\n"),
                      "is not a number from 1 to 65535"));
    CHECK(has(etc.bad_added("legacy: {fwknop: {ports: 1}}\n"), "did you mean \"port\"?"));
    CHECK(has(etc.bad_added("legacy: {fwknock: {port: 1}}\n"), "fwknock"));
}

TEST_CASE("no service has a port of old clients") {
    const Etc etc;
    const std::string before = "interfaces: [eth0]\nprocess: {user: 62001, worker_user: 62002}\n";
    const std::string legacy = "legacy: {capyknock: {port: 5001}}\n";
    CHECK(has(etc.bad_main(before + legacy + "services: {ssh: tcp/22, web: udp/5001}\n"),
              "udp/5001 is a port of old clients"));
    CHECK(has(etc.bad_main(before + legacy + "services: {ssh: tcp/22, web: udp/5000-5002}\n"),
              "udp/5000-5002 holds a port of old clients"));
    CHECK(has(etc.bad_main(before + legacy + "services: {ssh: tcp/22, web: udp/62201}\n"), "is the knock port"));
    etc.write("xknock.yaml", before + legacy + "services: {ssh: tcp/22, web: tcp/5001}\n");
    CHECK(etc.good().capyknock_port == 5001);
}
