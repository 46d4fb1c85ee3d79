// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/steps.h"

#include <doctest/doctest.h>

#include <string>

using namespace xk;

TEST_CASE("steps are done in order, and those before the one that fails are undone in reverse") {
    std::string record;
    const auto step = [&](char name, bool good, bool has_undo = true) {
        return Step{[&record, name, good] {
                        record += name;
                        return good ? Result<void>() : Result<void>(Error{std::string(1, name), {}});
                    },
                    has_undo ? std::function<void()>([&record, name] { record += static_cast<char>(name - 'a' + 'A'); })
                             : nullptr};
    };
    const Step good[] = {step('a', true), step('b', true)};
    CHECK(carry_out(good).has_value());
    CHECK(record == "ab");
    record.clear();
    const Step bad[] = {step('a', true), step('b', true, false), step('c', true), step('d', false), step('e', true)};
    const auto done = carry_out(bad);
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().message == "d");
    CHECK(record == "abcdCA");
}
