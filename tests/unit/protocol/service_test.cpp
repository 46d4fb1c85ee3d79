// SPDX-License-Identifier: MIT
#include "protocol/service.h"

#include <doctest/doctest.h>

using namespace xk;

TEST_CASE("a protocol and a port are read as they are written") {
    for (const char* text : {"tcp/22", "udp/51820", "sctp/1", "tcp/65535"})
        CHECK(Endpoint::parse(text).value().text() == text);
    CHECK(Endpoint::parse("tcp/22").value() == Endpoint{IpProtocol::tcp, 22});
    for (const char* text : {"", "22", "tcp", "tcp/", "tcp/0", "tcp/65536", "tcp/-1", "tcp/+1", "tcp/22 ",
                             "icmp/1", "TCP/22", "none/1", "tcp/22/udp"})
        CHECK_MESSAGE(!Endpoint::parse(text).has_value(), text);
}

TEST_CASE("a service id depends on the name and is never zero") {
    CHECK(service_id("ssh") == service_id("ssh"));
    CHECK(service_id("ssh") != service_id("web"));
    CHECK(service_id("ssh") != 0);
}
