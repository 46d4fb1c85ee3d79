// SPDX-License-Identifier: MIT
#include "protocol/encoding.h"

#include <doctest/doctest.h>

using namespace xk;

TEST_CASE("hexadecimal of exactly the right length is read") {
    CHECK(to_hex(Bytes<3>{0x00, 0x7f, 0xff}) == "007fff");
    CHECK(from_hex<3>("007fFF") == Bytes<3>{0x00, 0x7f, 0xff});
    for (const char* text : {"", "007f", "007fff00", "007ff", "007fgg", "00 7fff", "007fff "})
        CHECK_MESSAGE(!from_hex<3>(text).has_value(), text);
}

TEST_CASE("base64 of exactly the right length is read") {
    Bytes<4> out;
    CHECK(to_base64(Bytes<4>{0xfb, 0xff, 0x00, 0x01}) == "+/8AAQ==");
    CHECK(from_base64("+/8AAQ==", out));
    CHECK(out == Bytes<4>{0xfb, 0xff, 0x00, 0x01});
    for (const char* text :
         {"", "+/8AAQ", "+/8AAQ==\n", "-_8AAQ==", "+/8AAQE=", "+/8=", "+/8AAQ== x", "+/8\xc1\xc1Q==", "\xab/8AAQ==",
          "+\xaf"
          "8AAQ=="})
        CHECK_MESSAGE(!from_base64(text, out), text);
}

TEST_CASE("base32 is read as authenticator applications show it") {
    Bytes<20> out;
    const Bytes<5> hello = {'h', 'e', 'l', 'l', 'o'};
    CHECK(to_base32(hello) == "NBSWY3DP");
    CHECK(to_base32(Bytes<2>{'h', 'i'}) == "NBUQ");
    for (const char* text : {"NBSWY3DP", "nbswy3dp", "NBSW Y3DP"}) {
        REQUIRE_MESSAGE(from_base32(text, out) == 5, text);
        CHECK(std::equal(hello.begin(), hello.end(), out.begin()));
    }
    CHECK(from_base32("NBUQ====", out) == 2);
    CHECK(from_base32("NBUQ", out) == 2);
    CHECK(from_base32("MZXW6YQ=", out) == 4);
    CHECK(from_base32("GE3D CMJR", out) == 5);
    CHECK(from_base32("NB UQ====", out) == 2);
    for (const char* text : {"AGBAZZTT", "agbazztt"}) {
        REQUIRE_MESSAGE(from_base32(text, out) == 5, text);
        CHECK_MESSAGE(to_base32(ByteView(out).first(5)) == "AGBAZZTT", text);
    }
    // No digit; padding inside, of a wrong length, or alone; a digit that adds nothing; bits behind the last byte.
    for (const char* text : {"", "1", "NBSWY3D1", "NBSWY3DP!", "NB=Q", "NBUQ===", "NBSWY3DP=", "=", "N", "NBU",
                             "NBSWY3", "NBUR", "N8UQ", "NBSWY3DPA",
                             "\xce"
                             "BUQ"})
        CHECK_MESSAGE(from_base32(text, out) == 0, text);
}

TEST_CASE("base32 longer than the memory for it is refused") {
    Bytes<4> out{};
    CHECK(from_base32("NBSWY3DP", out) == 0);
    CHECK(all_zero(out));
}
