// SPDX-License-Identifier: MIT
// The URI for authenticators, and its QR code as text and pictures.
#include "tools/knockctl/host/users/otpauth.h"

#include "protocol/encoding.h"

#include <doctest/doctest.h>
#include <png.h>

#include <algorithm>
#include <sstream>
#include <vector>

using namespace xk;
using namespace xk::tools;

namespace {

const Bytes<20> kSecret = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};
const std::string kBase32 = "AEBAGBAFAYDQQCIKBMGA2DQPCAIREEYU";

std::string uri(const Owner& owner, const std::string& host, FactorKind kind = FactorKind::totp, unsigned digits = 6) {
    return std::string(otpauth_uri(kind, owner, host, kSecret, digits).view());
}

std::vector<std::string> lines_of(const WipedText& text) {
    std::vector<std::string> lines;
    std::istringstream in{std::string(text.view())};
    for (std::string line; std::getline(in, line);)
        lines.push_back(line);
    return lines;
}

// How many characters: each has one byte that does not continue another one.
std::size_t width_of(const std::string& line) {
    return static_cast<std::size_t>(
        std::ranges::count_if(line, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

struct Source {
    std::string_view rest;
};

// Decodes with libpng: the dark pixels of each row.
std::vector<std::vector<bool>> decoded(const WipedText& picture) {
    std::vector<std::vector<bool>> rows;
    Source source{picture.view()};
    png_structp png = ::png_create_read_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
    png_infop info = ::png_create_info_struct(png);
    ::png_set_read_fn(png, &source, [](png_structp p, png_bytep out, png_size_t size) {
        auto& from = *static_cast<Source*>(::png_get_io_ptr(p));
        if (from.rest.size() < size)
            ::png_error(p, "cut");
        from.rest.copy(reinterpret_cast<char*>(out), size);
        from.rest.remove_prefix(size);
    });
    ::png_read_png(png, info, PNG_TRANSFORM_PACKING, nullptr);
    const auto side = ::png_get_image_width(png, info);
    for (png_uint_32 y = 0; y < ::png_get_image_height(png, info); ++y) {
        auto& row = rows.emplace_back();
        for (png_uint_32 x = 0; x < side; ++x)
            row.push_back(::png_get_rows(png, info)[y][x] == 0);
    }
    ::png_destroy_read_struct(&png, &info, nullptr);
    return rows;
}

} // namespace

TEST_CASE("a label has one colon, and what is usual is left out") {
    CHECK(uri({"anna", "laptop"}, "192.0.2.1") ==
          "otpauth://totp/xknock%20192.0.2.1:anna@laptop?secret=" + kBase32 + "&issuer=xknock%20192.0.2.1");
    CHECK(uri({"anna", "laptop"}, "") == "otpauth://totp/xknock:anna@laptop?secret=" + kBase32 + "&issuer=xknock");
    CHECK(uri({"anna", "token"}, "a.example", FactorKind::hotp, 8) ==
          "otpauth://hotp/xknock%20a.example:anna@token?secret=" + kBase32 +
              "&issuer=xknock%20a.example&digits=8&counter=0");
    // An address of IPv6 has none either.
    CHECK(uri({"anna", "laptop"}, "2001:db8::1") ==
          "otpauth://totp/xknock%202001-db8--1:anna@laptop?secret=" + kBase32 + "&issuer=xknock%202001-db8--1");
}

TEST_CASE("whatever the names are, the code fits 80 columns and 24 lines") {
    const std::string longest(32, 'n'), host = std::string(63, 'h') + "." + std::string(63, 'h') + ".example.net";
    for (const Owner& owner : {Owner{"a", "b"}, Owner{longest, "b"}, Owner{longest, longest}})
        for (const std::string& at : {std::string(), std::string("server.example.net"), host,
                                      std::string("2001:db8:1234:5678:9abc:def0:1234:5678")})
            for (const FactorKind kind : {FactorKind::totp, FactorKind::hotp})
                for (const unsigned digits : {6u, 8u}) {
                    const WipedText text = otpauth_uri(kind, owner, at, kSecret, digits);
                    CAPTURE(std::string(text.view()));
                    CHECK(text.size() <= kMostQrText);
                    CHECK(text.view().find("secret=" + kBase32) != std::string_view::npos);
                    CHECK(std::ranges::count(text.view(), ':') == 2); // behind the scheme, and in the label
                    const auto code = QrCode::of(text);
                    REQUIRE(code.has_value());
                    const auto lines = lines_of(code->terminal_text(false));
                    CHECK(lines.size() <= 24);
                    for (const std::string& line : lines)
                        CHECK(width_of(line) <= 80);
                }
    // A name is shortened only where it must be, and a host's first.
    CHECK(uri({"anna", "laptop"}, host).find("anna@laptop") != std::string::npos);
    CHECK(uri({longest, "b"}, "server.example.net").find(longest + "@b") != std::string::npos);
    CHECK(uri({"anna", "laptop"}, "server.department.example.net").find("xknock%20server") != std::string::npos);
}

TEST_CASE("text and pictures show the same modules") {
    const auto code = QrCode::of(otpauth_uri(FactorKind::totp, {"anna", "laptop"}, "a.example", kSecret, 6));
    REQUIRE(code.has_value());
    const auto lines = lines_of(code->terminal_text(true));
    const auto png = code->png("xknock 4711");
    REQUIRE(png.has_value());
    const auto pixels = decoded(*png);
    const std::size_t modules = pixels.size() / 8 - 8;
    CHECK(modules == width_of(lines[0]) - 4 - 12); // less the quiet zone and the colours
    // The finder pattern in the upper left corner, behind four quiet modules of eight pixels.
    for (std::size_t i = 0; i < 7; ++i) {
        CHECK(pixels[32][32 + 8 * i]);
        CHECK(pixels[32 + 8 * i][32]);
    }
    CHECK_FALSE(pixels[40][40]);
    CHECK(pixels[48][48]);
    CHECK_FALSE(pixels[31][31]);
    // SVG has a square for each dark module.
    const WipedText svg = code->svg("xknock 4711");
    std::size_t dark = 0, squares = 0;
    for (std::size_t y = 0; y < modules; ++y)
        for (std::size_t x = 0; x < modules; ++x)
            dark += pixels[32 + 8 * y + 4][32 + 8 * x + 4];
    for (auto at = svg.view().find("h1v1h-1z"); at != std::string_view::npos; at = svg.view().find("h1v1h-1z", at + 1))
        ++squares;
    CHECK(dark > 100);
    CHECK(squares == dark);
    for (const auto picture : {png->view(), svg.view()})
        CHECK(picture.find("xknock 4711") != std::string_view::npos);
}

TEST_CASE("the secret is not in a picture as text") {
    const WipedText text = otpauth_uri(FactorKind::totp, {"anna", "laptop"}, "a.example", kSecret, 6);
    const auto code = QrCode::of(text);
    REQUIRE(code.has_value());
    CHECK(code->svg("t").view().find(kBase32) == std::string_view::npos);
    CHECK(code->png("t")->view().find(kBase32) == std::string_view::npos);
}
