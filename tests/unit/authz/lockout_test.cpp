// SPDX-License-Identifier: MIT
#include "daemon/authz/lockout.h"

#include <doctest/doctest.h>

using namespace xk;
using namespace xk::authz;
using namespace std::chrono_literals;

TEST_CASE("five failures are free, then 30 s doubling to an hour, then for good") {
    CredentialState state{};
    BootTime now(1000s);
    const std::chrono::seconds expected[] = {0s, 0s, 0s, 0s, 0s, 30s, 60s, 120s, 240s, 480s, 960s, 1920s, 3600s, 3600s};
    std::uint64_t code = 0;
    for (const auto delay : expected) {
        count_failure(state, {}, ++code, now);
        CHECK(locked_for(state, now) == delay);
        CHECK(is_locked(state, now) == (delay != 0s));
        CHECK_FALSE(is_locked(state, now + delay));
        now += delay;
    }
    while (state.failures < Lockout{}.most - 1)
        count_failure(state, {}, ++code, now);
    CHECK_FALSE(is_locked_for_good(state));
    count_failure(state, {}, ++code, now);
    CHECK(is_locked_for_good(state));
    CHECK(is_locked(state, now + 1000000h));
    forget_failures(state);
    CHECK_FALSE(is_locked(state, now));
    CHECK(state.failures == 0);
}

TEST_CASE("one wrong code is one failure for one period, however often it comes") {
    CredentialState state{};
    const BootTime now(1000s);
    for (const auto later : {0s, 1s, 29s})
        count_failure(state, {}, 7, now + later);
    CHECK(state.failures == 1);
    count_failure(state, {}, 7, now + 30s); // tried for other codes than before
    CHECK(state.failures == 2);
    count_failure(state, {}, 8, now + 31s);
    count_failure(state, {}, 7, now + 31s); // in turns they are guesses
    CHECK(state.failures == 4);
    forget_failures(state);
    count_failure(state, {}, 7, now + 31s);
    CHECK(state.failures == 1);
}
