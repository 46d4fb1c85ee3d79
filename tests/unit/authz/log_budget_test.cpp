// SPDX-License-Identifier: MIT
#include "daemon/authz/log_budget.h"

#include <doctest/doctest.h>

using namespace xk;
using namespace xk::authz;

using namespace std::chrono_literals;

TEST_CASE("one line for each reason and source in ten seconds") {
    LogBudget budget;
    const Address a = Address::v4(192, 0, 2, 1), b = Address::v4(192, 0, 2, 2);
    BootTime now(1000s);
    CHECK(budget.allow(1, a, now));
    CHECK_FALSE(budget.allow(1, a, now + 9s));
    CHECK(budget.allow(1, b, now + 9s));
    CHECK(budget.allow(2, a, now + 9s));
    CHECK(budget.allow(1, a, now + 10s));
    CHECK(budget.take_suppressed(now + 10s) == 1);
    CHECK_FALSE(budget.allow(1, a, now + 11s));
    CHECK(budget.take_suppressed(now + 69s) == 0); // told of some a minute ago at most
    CHECK(budget.take_suppressed(now + 70s) == 1);
}

TEST_CASE("sixty lines in a minute whatever the sources, and the rest is counted") {
    LogBudget budget;
    BootTime now(1000s);
    unsigned lines = 0;
    for (unsigned i = 0; i < 100'000; ++i)
        lines += budget.allow(1, Address::v4(198, 51, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)),
                              now + std::chrono::microseconds(i));
    CHECK(lines == 60u);
    CHECK(budget.take_suppressed(now) == 100'000 - 60u);
    CHECK(budget.allow(1, Address::v4(192, 0, 2, 1), now + 60s));
}
