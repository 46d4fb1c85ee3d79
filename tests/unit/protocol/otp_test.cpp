// SPDX-License-Identifier: MIT
#include "protocol/otp.h"

#include "protocol/encoding.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>

using namespace xk;
using namespace std::chrono_literals;

namespace {

const Bytes<20> kSecret = {'1', '2', '3', '4', '5', '6', '7', '8', '9', '0',
                           '1', '2', '3', '4', '5', '6', '7', '8', '9', '0'};

// 2005-03-18, step 37037036: its eight digits begin with a zero (RFC 6238, appendix B).
constexpr WallTime kTime(1111111109s);

std::optional<TotpStep> matched(std::string_view code, WallTime now = kTime, unsigned digits = 8) {
    const auto proof = totp_proof(code, digits);
    REQUIRE(proof.has_value());
    return match_totp(kSecret, digits, now, *proof);
}

} // namespace

TEST_CASE("a code with a leading zero is a code like any other") {
    CHECK(totp_code(kSecret, 37037036, 8) == "07081804");
    CHECK(matched("07081804") == 37037036);
}

TEST_CASE("the codes of the step before and the step after match, others do not") {
    CHECK(matched("07081804", kTime + 30s) == 37037036);
    CHECK(matched("07081804", kTime - 30s) == 37037036);
    CHECK_FALSE(matched("07081804", kTime + 60s).has_value());
    CHECK_FALSE(matched("07081804", kTime - 60s).has_value());
    CHECK_FALSE(matched("00000000").has_value());
}

TEST_CASE("six digits and eight digits are different codes") {
    const auto step = totp_step(kTime);
    CHECK(matched(totp_code(kSecret, step, 6), kTime, 6) == step);
    CHECK(is_totp_digits(6));
    CHECK(is_totp_digits(8));
    CHECK_FALSE(is_totp_digits(7));
}

TEST_CASE("where two steps share a code the later one is used up") {
    // Search a secret whose neighbouring six-digit codes are equal: about one in a million pairs.
    Bytes<20> secret = kSecret;
    for (TotpStep step = 1; step < 4'000'000; ++step) {
        if (totp_code(secret, step, 6) != totp_code(secret, step + 1, 6))
            continue;
        const WallTime now(kTotpPeriod * static_cast<std::int64_t>(step));
        CHECK(match_totp(secret, 6, now, *totp_proof(totp_code(secret, step, 6), 6)) == step + 1);
        return;
    }
    FAIL("no such pair of steps");
}

TEST_CASE("the first step of all has no step before it") {
    CHECK(match_totp(kSecret, 6, WallTime(5s), *totp_proof("755224", 6)) == 0);
}

TEST_CASE("only digits, exactly as many, and zeros behind them are a proof") {
    CHECK(totp_proof("012345", 6).has_value());
    for (const char* code : {"", "12345", "1234567", "12345x", " 12345", "12345\n", "-12345"})
        CHECK_MESSAGE(!totp_proof(code, 6).has_value(), code);
    CHECK_FALSE(totp_proof(std::string_view("12345\0", 6), 6).has_value());
    CHECK_FALSE(totp_proof("123456789", 9).has_value()); // more digits than any code has
    Proof proof = *totp_proof("123456", 6);
    CHECK(is_totp_proof(proof, 6));
    CHECK_FALSE(is_totp_proof(proof, 8));
    proof[63] = 1;
    CHECK_FALSE(is_totp_proof(proof, 6));
}

TEST_CASE("an HMAC proof is bound to key, server, tag, nonce and request") {
    Bytes<32> key{1};
    wire::ServerId server{2};
    wire::Tag tag{3};
    wire::Nonce nonce{4};
    RequestBytes request{5};
    const Proof proof = hmac_proof(key, server, tag, nonce, request);
    CHECK(all_zero(ByteView(proof).subspan(32)));
    const auto check = [&] { return hmac_matches(key, signed_message(server, tag, nonce, request), proof); };
    CHECK(check());
    for (std::uint8_t* changed : {&key[31], &server[15], &tag[7], &nonce[23], &request[71]}) {
        *changed ^= 1;
        CHECK_FALSE(check());
        *changed ^= 1;
    }
    request[72] ^= 1; // the proof's own place is not covered
    CHECK(check());
}

TEST_CASE("an HMAC proof with anything behind it is refused") {
    const Proof proof = hmac_proof({}, {}, {}, {}, {});
    for (std::size_t i = 0; i < proof.size(); ++i) {
        Proof changed = proof;
        changed[i] ^= 0x80;
        CHECK_FALSE(hmac_matches({}, signed_message({}, {}, {}, {}), changed));
    }
}

namespace {

std::optional<HotpCounter> found(const std::string& code, HotpCounter next, unsigned digits = 6) {
    const auto proof = hotp_proof(code, digits);
    REQUIRE(proof.has_value());
    return match_hotp(kSecret, digits, next, *proof);
}

std::string code_of(HotpCounter counter, unsigned digits = 6) { return hotp_code(kSecret, counter, digits); }
std::string pair_from(HotpCounter counter, unsigned digits = 6) {
    return code_of(counter, digits) + code_of(counter + 1, digits);
}

} // namespace

TEST_CASE("HOTP codes are those of RFC 4226, appendix D, and those of hknock") {
    const char* const codes[] = {"755224", "287082", "359152", "969429", "338314",
                                 "254676", "287922", "162583", "399871", "520489"};
    for (HotpCounter counter = 0; counter < 10; ++counter) {
        CHECK(code_of(counter) == codes[counter]);
        CHECK(found(codes[counter], 0) == counter); // all ten are in the first window
    }
    Bytes<16> secret;
    REQUIRE(from_base32("JBSWY3DPFVQQ2ZLNNV4TK4LHFA", secret) == secret.size());
    CHECK(hotp_code(secret, 0, 6) == "625390");
    CHECK(hotp_code(secret, 250'644'417'961, 6) == "850311");
}

TEST_CASE("an HOTP code counts from the next counter on, nine further ones included") {
    for (const unsigned digits : {6u, 8u}) {
        CHECK(found(code_of(100, digits), 100, digits) == 100);
        CHECK(found(code_of(109, digits), 100, digits) == 109);
        CHECK_FALSE(found(code_of(110, digits), 100, digits).has_value());
        CHECK(found(code_of(99, digits), 100, digits) == 99); // the last used one, which the caller must know
        CHECK_FALSE(found(code_of(98, digits), 100, digits).has_value());
    }
    CHECK_FALSE(found(code_of(10), 0).has_value());
    CHECK_FALSE(found(code_of(~HotpCounter{0}), 0).has_value()); // nothing is before the first one
}

TEST_CASE("two HOTP codes in a row are found among a thousand") {
    for (const unsigned digits : {6u, 8u}) {
        CHECK(found(pair_from(100, digits), 100, digits) == 101);
        CHECK(found(pair_from(1099, digits), 100, digits) == 1100);
        CHECK_FALSE(found(pair_from(1100, digits), 100, digits).has_value());
        CHECK(found(pair_from(98, digits), 100, digits) == 99); // the last used ones
        CHECK(found(pair_from(99, digits), 100, digits) == 100);
        CHECK_FALSE(found(pair_from(97, digits), 100, digits).has_value());
    }
    CHECK(found(pair_from(0), 0) == 1);
    CHECK(found(pair_from(0), 1) == 1);
    CHECK_FALSE(found(code_of(100) + code_of(102), 100).has_value());
    CHECK_FALSE(found(code_of(101) + code_of(100), 100).has_value());
    CHECK_FALSE(found(code_of(100) + code_of(100), 100).has_value());
}

TEST_CASE("where two counters share an HOTP code the lower one is used up") {
    // Search two counters of one window with the same code of six digits: about one in twenty thousand windows.
    std::array<std::string, kHotpLookAhead> window;
    for (HotpCounter counter = 0; counter < 2'000'000; ++counter) {
        const std::string code = code_of(counter);
        const auto same = std::find(window.begin(), window.end(), code);
        if (same != window.end()) {
            const auto age = (counter - static_cast<HotpCounter>(same - window.begin()) - 1) % kHotpLookAhead + 1;
            const HotpCounter lower = counter - age;
            REQUIRE(code_of(lower) == code);
            CHECK(found(code, lower) == lower);
            CHECK(found(code, lower + 1) == lower); // used, and not taken for the later one
            return;
        }
        window[static_cast<std::size_t>(counter % kHotpLookAhead)] = code;
    }
    FAIL("no such pair of counters");
}

TEST_CASE("only one or two HOTP codes, and zeros behind them, are a proof") {
    CHECK(is_hotp_proof(*hotp_proof("012345", 6), 6));
    CHECK(is_hotp_proof(*hotp_proof("012345678901", 6), 6));
    CHECK(is_hotp_proof(*hotp_proof("0123456789012345", 8), 8));
    for (const char* code : {"", "12345", "1234567", "12345678901", "1234567890123", "123456 123456", "12345x789012",
                             "123456789012345678"})
        CHECK_MESSAGE(!hotp_proof(code, 6).has_value(), code);
    CHECK_FALSE(hotp_proof("123456789", 9).has_value());
    CHECK_FALSE(is_hotp_proof(*hotp_proof("0123456789012345", 8), 6));
    CHECK_FALSE(is_hotp_proof(*hotp_proof("012345", 6), 8));
    Proof proof = *hotp_proof("012345678901", 6);
    proof[63] = 1;
    CHECK_FALSE(is_hotp_proof(proof, 6));
}
