// SPDX-License-Identifier: MIT
#include "client/used_codes.h"

#include "client/code.h"
#include "tests/unit/recording/directory.h"

#include <doctest/doctest.h>

#include <sys/stat.h>

using namespace xk;
using namespace xk::client;
using namespace std::chrono_literals;

namespace {

// The client's memory lies in a directory of the test's own.
struct OwnState {
    OwnState() { ::setenv("XDG_STATE_HOME", directory.path().c_str(), 1); }
    ~OwnState() { ::unsetenv("XDG_STATE_HOME"); }
    test::TemporaryDirectory directory;
};

Profile some_profile() {
    Profile profile;
    profile.factor = FactorKind::totp;
    profile.credential = {0x78, 0xb4};
    return profile;
}

} // namespace

TEST_CASE("a code that was sent is remembered for as long as a server might take it, in a file that does not say it") {
    const OwnState state;
    const Profile profile = some_profile();
    const UsedCodes codes(profile);
    const WallTime now{1'700'000'000s};
    CHECK_FALSE(codes.age("123456", now).has_value());
    codes.remember("123456", now);
    CHECK(codes.age("123456", now + 12s) == 12s);
    CHECK_FALSE(codes.age("123457", now + 12s).has_value());
    CHECK_FALSE(codes.age("123456", now + 91s).has_value());
    const std::string name = "xknock/used-78b4000000000000";
    CHECK(state.directory.read(name).find("123456") == std::string::npos);
    struct stat status {};
    REQUIRE(::stat((state.directory.path() + "/" + name).c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    Profile other = some_profile();
    other.keys->nonce[0] = 1;
    CHECK_FALSE(UsedCodes(other).age("123456", now + 12s).has_value());
}

TEST_CASE("the memory does not grow without end") {
    const OwnState state;
    const Profile profile = some_profile();
    const UsedCodes codes(profile);
    WallTime now{1'700'000'000s};
    for (int i = 0; i < 300; ++i, now += 30s)
        codes.remember("123456", now);
    CHECK(state.directory.read("xknock/used-78b4000000000000").size() < 5000);
    CHECK(codes.age("123456", now) == 30s);
}

TEST_CASE("it is said when the next code comes") {
    const WallTime now{1'700'000'026s}; // 16 s into its step
    CHECK(used_words(12s, now) == "used 12 s ago; the next one in 14 s");
    CHECK(used_words(17s, now) == "used 17 s ago; the next one is there");
}

TEST_CASE("a code of the command line that was used is not sent again") {
    const OwnState state;
    const Profile profile = some_profile();
    Codes codes(profile, "123 456");
    REQUIRE(codes.next_unwatched().value() == "123456");
    codes.used("123456");
    const auto again = Codes(profile, "123456").next_unwatched();
    REQUIRE_FALSE(again.has_value());
    CHECK(again.error().message.find("this code was used ") == 0);
}

TEST_CASE("a code of the command line has the digits that the profile wants") {
    const OwnState state;
    const Profile profile = some_profile();
    for (const char* text : {"", "12345", "1234567", "12345x"}) {
        const auto code = Codes(profile, text).next_unwatched();
        REQUIRE_FALSE(code.has_value());
        CHECK(code.error().message == "a code has 6 digits");
    }
}

TEST_CASE("a stored secret waits for its next code where this one was used, and watches the port meanwhile") {
    const OwnState state;
    Profile profile = some_profile();
    profile.factor_key->size = 20;
    Codes codes(profile, std::nullopt);
    // The test may begin at the end of a step: then both codes are used.
    for (const auto step : {totp_step(Now::read().wall), totp_step(Now::read().wall) + 1})
        codes.used(totp_code({profile.factor_key->bytes, 20}, step, 6));
    int looks = 0;
    const auto code = codes.next([&](std::chrono::milliseconds) { return ++looks == 3; });
    REQUIRE(code.has_value());
    CHECK_FALSE(code->has_value());
    CHECK(looks == 3);
}
