// SPDX-License-Identifier: MIT
#include "protocol/base/nearest.h"

#include <doctest/doctest.h>

using namespace xk;

TEST_CASE("a near word is found, a far one is not") {
    CHECK(nearest("allow_generik", {"allow_generic", "mode"}) == "allow_generic");
    CHECK(nearest("prot", {"port", "name"}) == "port");
    CHECK(nearest("wiat", {"nat", "wait"}) == "wait");
    CHECK_FALSE(nearest("xyz", {"port", "name"}).has_value());
    CHECK_FALSE(nearest(std::string(65, 'a'), {std::string(64, 'a')}).has_value());
}

TEST_CASE("what is near is asked for, and what is far is not") {
    CHECK(did_you_mean("statu", {"status", "users"}) == "did you mean \"status\"?");
    CHECK(did_you_mean("xyz", {"status"}).empty());
}
