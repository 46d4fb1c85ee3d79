// SPDX-License-Identifier: MIT
#include "daemon/config/forms.h"

#include "etc.h"

using namespace xk;
using namespace xk::config;
using namespace std::chrono_literals;

TEST_CASE("dates are days or seconds in UTC") {
    CHECK(parse_date("1970-01-02").value() == WallTime(86400s));
    CHECK(parse_date("2026-11-21T10:20:30Z").value() == WallTime(1795256430s));
    for (const char* text : {"", "2026", "2026-13-01", "2026-02-30", "2026-1-1", "2026-01-01T24:00:00Z",
                             "2026-01-01T00:00:00", "2026-01-01 00:00:00Z", "2026-01-01T00:00:60Z", "20x6-01-01"})
        CHECK_MESSAGE(!parse_date(text).has_value(), text);
}
