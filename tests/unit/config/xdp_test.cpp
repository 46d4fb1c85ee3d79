// SPDX-License-Identifier: MIT
#include "etc.h"

using namespace xk;
using namespace xk::config;
using test::Etc;
using test::has;

TEST_CASE("each fault of the filter's section is named") {
    const Etc etc;
    CHECK(has(etc.bad_added("xdp: {allow_generik: true}\n"), "did you mean \"allow_generic\"?"));
    CHECK(has(etc.bad_added("xdp: {allow_generic: yes}\n"), "\"yes\" is neither true nor false"));
    CHECK(has(etc.bad_added("xdp: {coexist: yes}\n"), "\"yes\" is neither none nor libxdp"));
    CHECK(has(etc.bad_added("xdp: {priority: 65536}\n"), "\"65536\" is not a number from 0 to 65535"));
    CHECK(has(etc.bad_added("xdp: {local_addresses: [eth0]}\n"), "\"eth0\" is not an IP address"));
    CHECK(has(etc.bad_added("xdp: {local_addresses: [\"a\\e[2Jb\"]}\n"), "\"a\\x1b[2Jb\" is not an IP address"));
}
