// SPDX-License-Identifier: MIT
#include "protocol/base/duration.h"

#include <doctest/doctest.h>

using namespace std::chrono_literals;

TEST_CASE("a duration is a number and a unit") {
    CHECK(xk::parse_duration("30s").value() == 30s);
    CHECK(xk::parse_duration("5m").value() == 300s);
    CHECK(xk::parse_duration("2h").value() == 7200s);
    CHECK(xk::parse_duration("1d").value() == 86400s);
    CHECK(xk::parse_duration("0s").value() == 0s);
}

TEST_CASE("anything else is refused") {
    for (const char* text : {"", "30", "s", "-1s", "+1s", "1.5h", "30 s", "30sec", "1h30m", " 1s", "1s ", "4294967296s",
                             "99999999999999999999d", "49711d"})
        CHECK_MESSAGE(!xk::parse_duration(text).has_value(), text);
}

TEST_CASE("a duration is written in its largest whole unit") {
    CHECK(xk::duration_text(90s) == "90s");
    CHECK(xk::duration_text(120s) == "2m");
    CHECK(xk::duration_text(7200s) == "2h");
    CHECK(xk::duration_text(86400s) == "1d");
    CHECK(xk::duration_text(0s) == "0s");
}
