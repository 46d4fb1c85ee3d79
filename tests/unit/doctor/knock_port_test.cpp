// SPDX-License-Identifier: MIT
#include "tools/knockctl/doctor/knock_port.h"

#include <doctest/doctest.h>

using namespace xk::tools;

TEST_CASE("a knock port that the kernel does not give away is well") {
    CHECK_FALSE(check_reserved(62201, "32768\t60999", ""));
    CHECK_FALSE(check_reserved(62201, "62202\t65535", ""));
    CHECK_FALSE(check_reserved(62201, "1024\t65535", "62201"));
    CHECK_FALSE(check_reserved(62201, "1024\t65535", "8080,62200-62205"));
    CHECK_FALSE(check_reserved(62201, "", "")); // the switch is not to be seen
}

TEST_CASE("the command for one that it does keeps what is reserved") {
    const auto alone = check_reserved(62201, "62201\t62201", "");
    REQUIRE(alone);
    CHECK(alone->hint.find("sysctl -w net.ipv4.ip_local_reserved_ports=62201,") == 0);
    const auto beside = check_reserved(62201, "1024\t65535", "8080,9148-9150,62202");
    REQUIRE(beside);
    CHECK(beside->message.find("1024-65535") != std::string::npos);
    CHECK(beside->hint.find("sysctl -w net.ipv4.ip_local_reserved_ports=8080,9148-9150,62202,62201,") == 0);
    CHECK(beside->hint.find("\"net.ipv4.ip_local_reserved_ports = 8080,9148-9150,62202,62201\" in a file") !=
          std::string::npos);
}
