// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/disabled.h"

#include "tests/unit/lifecycle/recorder.h"
#include "tests/unit/recording/log.h"

using namespace xk;
using namespace xk::test;

TEST_CASE("the log names each fault of a disabled file, and the file once") {
    config::Config config = named("now");
    config.disabled.push_back({"users/anna.yaml", {"users/anna.yaml:1:1: no", "users/anna.yaml:2:1: neither"}});
    const CapturedLog log;
    log_disabled(config);
    CHECK(log.lines() == 3);
    CHECK(log.has("error users/anna.yaml:1:1: no\nerror users/anna.yaml:2:1: neither\nerror users/anna.yaml: "));
}

TEST_CASE("only faults of files that are judged now refuse a reload, and all of them are named") {
    config::Config now = named("now"), next = named("next");
    CHECK(check_disabled(next, now).has_value());
    next.disabled = {{"anna.yaml", {"a", "b"}}, {"bert.yaml", {"c"}}, {"carl.yaml", {"d"}}};
    now.disabled = {{"bert.yaml", {"an older fault"}}};
    const auto done = check_disabled(next, now);
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().message == "a\nb\nd");
    CHECK(done.error().exit == Exit::configuration);
}
