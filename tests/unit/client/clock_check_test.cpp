// SPDX-License-Identifier: MIT
#include "client/clock_check.h"

#include "tests/unit/recording/directory.h"

#include <doctest/doctest.h>

#include <cstdlib>

using namespace xk;
using namespace xk::client;

namespace {

constexpr std::time_t kNow = 1800000000; // 2027-01-15 08:00:00 UTC

// Where nothing keeps the clock right, and what else is known agrees with it.
ClockFacts facts() {
    return {.now = kNow, .is_synchronised = false, .hardware = kNow, .past = kNow - 60, .event = "that"};
}

struct Zone {
    explicit Zone(const char* name) {
        ::setenv("TZ", name, 1);
        ::tzset();
    }
    ~Zone() {
        ::unsetenv("TZ");
        ::tzset();
    }
};

} // namespace

TEST_CASE("a clock that agrees with what else is known is not doubted, and a person can compare it") {
    const Zone zone("CET-1");
    ClockFacts known = facts();
    CHECK_FALSE(is_clock_doubtful(known));
    CHECK(clock_words(known) == "not synchronised; it says 2027-01-15 09:00:00 +0100");
    known.hardware.reset();
    known.past = kNow + 14; // file systems of others have clocks of their own
    CHECK_FALSE(is_clock_doubtful(known));
    known.is_synchronised = true;
    CHECK(clock_words(known) == "synchronised");
}

TEST_CASE("of two clocks that differ neither is said to be right") {
    const Zone zone("UTC0");
    const std::string says = "not synchronised; it says 2027-01-15 08:00:00 +0000, ";
    const std::string end = " the hardware clock: one of them is wrong";
    const std::pair<std::time_t, const char*> spans[] = {
        {45, "45 s behind"},   {-45, "45 s ahead of"},       {3600, "1 h behind"},     {-5430, "1 h 30 min ahead of"},
        {86400, "1 d behind"}, {-90000, "1 d 1 h ahead of"}, {125, "2 min 5 s behind"}};
    for (const auto& [ahead, words] : spans) {
        ClockFacts known = facts();
        known.hardware = kNow + ahead;
        CHECK(is_clock_doubtful(known));
        CHECK(clock_words(known) == says + words + end);
    }
    ClockFacts near = facts();
    near.hardware = kNow + 14;
    CHECK_FALSE(is_clock_doubtful(near));
}

TEST_CASE("a clock that is kept right is not doubted, but told where the hardware clock differs") {
    ClockFacts known = facts();
    known.is_synchronised = true;
    known.hardware = kNow + 3600;
    known.past = kNow + 3600;
    CHECK_FALSE(is_clock_doubtful(known));
    CHECK(clock_words(known).find("1 h behind the hardware clock") != std::string::npos);
    known.hardware.reset();
    CHECK(clock_words(known) == "synchronised");
}

TEST_CASE("a time before what has happened already is wrong, or was") {
    const Zone zone("UTC0");
    ClockFacts known = facts();
    known.hardware.reset();
    known.past = kNow + 86400;
    CHECK(is_clock_doubtful(known));
    CHECK(clock_words(known) == "not synchronised; it says 2027-01-15 08:00:00 +0000, 1 d before that: it is wrong, or "
                                "it was wrong then");
}

TEST_CASE("the hardware clock is read, also one that shows the local time") {
    const Zone zone("CET-1");
    const test::TemporaryDirectory root;
    const std::string rtc = root.path() + "/sys/class/rtc/rtc0", file = rtc + "/since_epoch";
    CHECK_FALSE(read_clock_facts(Profile(), root.path()).hardware);
    std::filesystem::create_directories(rtc);
    std::filesystem::create_directories(root.path() + "/etc");
    std::ofstream(file) << kNow << '\n';
    CHECK(read_clock_facts(Profile(), root.path()).hardware == kNow);
    std::ofstream(root.path() + "/etc/adjtime") << "0.0 0 0.0\n0\nLOCAL\n";
    CHECK(read_clock_facts(Profile(), root.path()).hardware == kNow - 3600);
    std::ofstream(file) << "none\n";
    CHECK_FALSE(read_clock_facts(Profile(), root.path()).hardware);
}

TEST_CASE("the moment that is over is the later one of the profile's coming and its last use") {
    const test::TemporaryDirectory directory;
    ::setenv("XDG_STATE_HOME", directory.path().c_str(), 1);
    Profile profile;
    profile.file = directory.path() + "/server.yaml";
    std::ofstream(profile.file) << "x";
    const ClockFacts fresh = read_clock_facts(profile);
    CHECK(fresh.event == "this profile came here");
    CHECK(std::abs(fresh.past - fresh.now) < 60);
    const std::string used = directory.path() + "/xknock/used";
    std::filesystem::create_directories(used);
    std::ofstream(used + "/0000000000000000") << "opened";
    std::filesystem::last_write_time(used + "/0000000000000000",
                                     std::filesystem::file_time_type::clock::now() + std::chrono::hours(1));
    const ClockFacts later = read_clock_facts(profile);
    ::unsetenv("XDG_STATE_HOME");
    CHECK(later.event == "this profile was used last");
    CHECK(later.past > later.now + 3000);
}
