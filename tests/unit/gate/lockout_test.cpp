// SPDX-License-Identifier: MIT
#include "daemon/gate/lockout.h"

#include <doctest/doctest.h>

using namespace xk;
using namespace xk::gate;
using namespace std::chrono_literals;

TEST_CASE("five failures are free, then 30 s doubling to an hour, then for good") {
    CredentialState state{};
    BootTime now(1000s);
    const std::chrono::seconds expected[] = {0s,   0s,   0s,   0s,    0s,    30s,  60s,
                                             120s, 240s, 480s, 960s, 1920s, 3600s, 3600s};
    for (const auto delay : expected) {
        count_failure(state, now);
        CHECK(locked_for(state, now) == delay);
        CHECK(is_locked(state, now) == (delay != 0s));
        CHECK_FALSE(is_locked(state, now + delay));
        now += delay;
    }
    while (state.failures < kMaxFailures - 1)
        count_failure(state, now);
    CHECK_FALSE(is_locked_for_good(state));
    count_failure(state, now);
    CHECK(is_locked_for_good(state));
    CHECK(is_locked(state, now + 1000000h));
    forget_failures(state);
    CHECK_FALSE(is_locked(state, now));
    CHECK(state.failures == 0);
}
