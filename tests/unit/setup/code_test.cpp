// SPDX-License-Identifier: MIT
#include "host.h"
#include "tools/knockctl/host/setup/code.h"
#include "tools/knockctl/host/setup/leftovers.h"

#include <doctest/doctest.h>

#include <cstring>

using namespace xk;
using namespace xk::tools::setup;
using namespace xk::tools::setup::test;

namespace {

CodeSecret secret_of(FactorKind kind) {
    CodeSecret secret;
    secret.kind = kind;
    secret.secret->size = kMinTotpSecret;
    std::memcpy(secret.secret->bytes, "12345678901234567890", kMinTotpSecret); // RFC 4226, appendix D
    return secret;
}

// 10 seconds into a step.
const WallTime kNow{std::chrono::seconds(1'800'000'010)};

std::string code_at(const CodeSecret& secret, int seconds) {
    return totp_code(secret.bytes(), totp_step(kNow + std::chrono::seconds(seconds)), secret.digits);
}

} // namespace

TEST_CASE("a code of the moment is right, with blanks too") {
    const CodeSecret secret = secret_of(FactorKind::totp);
    const std::string code = code_at(secret, 0);
    CHECK(examine_code(secret, kNow, code).kind == CodeFinding::right);
    CHECK(examine_code(secret, kNow, code.substr(0, 3) + " " + code.substr(3)).kind == CodeFinding::right);
    // Begun late in the step before.
    CHECK(examine_code(secret, kNow, code_at(secret, -15)).kind == CodeFinding::right);
}

TEST_CASE("a code of another time says by how much a clock is off") {
    const CodeSecret secret = secret_of(FactorKind::totp);
    const auto finding = [&](int seconds) { return examine_code(secret, kNow, code_at(secret, seconds)); };
    CHECK(finding(30).kind == CodeFinding::near);
    CHECK(finding(30).seconds_ahead == 30);
    CHECK(finding(60).kind == CodeFinding::other_time);
    CHECK(finding(-3600).kind == CodeFinding::other_time);
    CHECK(text_of(finding(-3600), 6).find("is about 60 min behind") != std::string::npos);
    CHECK(text_of(finding(60), 6).find("is about 60 s ahead") != std::string::npos);
    const WallTime late = kNow + std::chrono::seconds(18);
    CHECK(examine_code(secret, late, code_at(secret, -15)).kind == CodeFinding::near);
}

TEST_CASE("what is no code, and a wrong one") {
    const CodeSecret secret = secret_of(FactorKind::totp);
    for (const char* const typed : {"", "12345", "1234567", "12345a", "\x1b[A"})
        CHECK(examine_code(secret, kNow, typed).kind == CodeFinding::no_code);
    unsigned wrong = 0;
    for (int i = 0; i < 20; ++i)
        wrong += examine_code(secret, kNow, std::to_string(111111 + i * 7919)).kind == CodeFinding::wrong;
    CHECK(wrong >= 19); // one in 350 is of another time by chance
}

TEST_CASE("the first codes of a counter are right") {
    const CodeSecret secret = secret_of(FactorKind::hotp);
    CHECK(examine_code(secret, kNow, "755224").kind == CodeFinding::right); // RFC 4226, appendix D, counts 0 and 9
    CHECK(examine_code(secret, kNow, "520489").kind == CodeFinding::right);
    CHECK(examine_code(secret, kNow, "755225").kind == CodeFinding::wrong);
}

TEST_CASE("three wrong codes end it, and what is no code does not count") {
    const CodeSecret secret = secret_of(FactorKind::hotp);
    int shown = 0;
    const auto show = [&] { ++shown; };
    Scripted wrong({"", "qr", "000001", "000002", "000003", "755224"});
    const auto ended = prove_code(wrong, secret, show);
    REQUIRE_FALSE(ended);
    CHECK(ended.error().message == "three codes were wrong: no port was shut");
    CHECK(shown == 1);
    CHECK(wrong.questions == 5);
    Scripted right({"000001", "755 224"});
    CHECK(*prove_code(right, secret, show));
    Scripted skipping({"skip"});
    CHECK_FALSE(*prove_code(skipping, secret, show));
    Scripted leaving({"^C"});
    CHECK(prove_code(leaving, secret, show).error().message == "stopped");
}

TEST_CASE("temporary files are known by their names") {
    for (const char* const name : {"xknock.yaml.1f2e3d4c", "anna.laptop.key.00000000", "anna.laptop.otp.deadbeef",
                                   "server_id.12345678", "anna.yaml.0a0b0c0d"})
        CHECK(is_temporary(name));
    for (const char* const name :
         {"xknock.yaml", "xknock.yaml.before-setup", "anna.laptop.key", "xknock.yaml.20261128x", "xknock.yaml.1F2E3D4C",
          "notes.12345678", "12345678", ".yaml", "anna.12345678"})
        CHECK_FALSE(is_temporary(name));
}
