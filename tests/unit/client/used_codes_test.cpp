// SPDX-License-Identifier: MIT
#include "client/used_codes.h"

#include "client/code.h"
#include "tests/unit/recording/directory.h"

#include <doctest/doctest.h>

#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

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
    CHECK(used_words(12s, FactorKind::totp, now) == "used 12 s ago; the next one in 14 s");
    CHECK(used_words(17s, FactorKind::totp, now) == "used 17 s ago; the next one is there");
    CHECK(used_words(12s, FactorKind::hotp, now) == "used 12 s ago; take the next one");
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

namespace {

Profile token_profile() {
    Profile profile = some_profile();
    profile.factor = FactorKind::hotp;
    return profile;
}

Profile own_token_profile() {
    Profile profile = token_profile();
    profile.factor_key->size = 20;
    return profile;
}

std::string two_codes(HotpCounter counter) {
    const Bytes<20> secret{};
    return hotp_code(secret, counter, 6) + hotp_code(secret, counter + 1, 6);
}

} // namespace

TEST_CASE("of HOTP one code or two in a row are sent, with or without blanks") {
    const OwnState state;
    const Profile profile = token_profile();
    CHECK_FALSE(profile.is_automatic());
    CHECK(Codes(profile, "123 456").next_unwatched().value() == "123456");
    CHECK(Codes(profile, "123456 654 321").next_unwatched().value() == "123456654321");
    for (const char* text : {"", "12345", "1234567", "12345678901", "123456123456123456", "123456-123456"}) {
        const auto code = Codes(profile, text).next_unwatched();
        REQUIRE_FALSE(code.has_value());
        CHECK(code.error().message == "a code has 6 digits; two codes in a row may be typed together");
    }
    Codes(profile, "123456").used("123456");
    const auto again = Codes(profile, "123456").next_unwatched();
    REQUIRE_FALSE(again.has_value());
    CHECK(again.error().message.find("; take the next one") != std::string::npos);
}

TEST_CASE("a stored HOTP secret gives two codes in a row, and their counters are used up before they are sent") {
    const OwnState state;
    const Profile profile = own_token_profile();
    CHECK(profile.is_automatic());
    CHECK(Codes(profile, std::nullopt).next_unwatched().value() == two_codes(0));
    const std::string name = "xknock/counter-78b4000000000000";
    CHECK(state.directory.read(name) == "2\n");
    struct stat status {};
    REQUIRE(::stat((state.directory.path() + "/" + name).c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    CHECK(Codes(profile, std::nullopt).next_unwatched().value() == two_codes(2));
    for (HotpCounter counter = 4; counter < 12; counter += 2) // the number gets longer
        CHECK(Codes(profile, std::nullopt).next_unwatched().value() == two_codes(counter));
    CHECK(state.directory.read(name) == "12\n");
}

TEST_CASE("without its counter a stored HOTP secret gives no code") {
    const OwnState state;
    const Profile profile = own_token_profile();
    REQUIRE(Codes(profile, std::nullopt).next_unwatched().has_value());
    const std::string file = state.directory.path() + "/xknock/counter-78b4000000000000";
    for (const char* text : {"2", "x\n", "2\n\n", "-2\n", "99999999999999999999\n", " 2\n", "9000000000000000000\n"}) {
        std::ofstream(file) << text;
        const auto code = Codes(profile, std::nullopt).next_unwatched();
        REQUIRE_MESSAGE(!code.has_value(), text);
        CHECK(code.error().message.find("does not hold a counter") != std::string::npos);
        CHECK(state.directory.read("xknock/counter-78b4000000000000") == text);
    }
    REQUIRE(::chmod(file.c_str(), 0644) == 0);
    const auto code = Codes(profile, std::nullopt).next_unwatched();
    REQUIRE_FALSE(code.has_value());
    CHECK(code.error().message.find("is not a file of yours alone") != std::string::npos);
    ::setenv("XDG_STATE_HOME", "/proc/nowhere", 1);
    CHECK_FALSE(Codes(profile, std::nullopt).next_unwatched().has_value());
}
