// SPDX-License-Identifier: MIT
#include "protocol/yaml/emitter.h"

#include "protocol/yaml/document.h"

#include <doctest/doctest.h>

#include <random>

using namespace xk;
using namespace xk::yaml;

namespace {

std::string written(const std::string& value, Style style) {
    Emitter out;
    out.scalar("k", value, style);
    const auto text = out.text();
    return text ? *text : "(refused)";
}

// What reads back; "(fault)" where it does not.
std::string read_back(const std::string& text) {
    Faults faults;
    auto section = read(text, "f", faults);
    const auto value = section ? section->scalar("k") : std::nullopt;
    return value && faults.empty() ? value->value : "(fault)";
}

} // namespace

TEST_CASE("what another reader could take for something else than a text is quoted") {
    for (const char* plain : {"anna", "laptop-2", "A_b", "x1e3"})
        CHECK(written(plain, Style::name) == "k: " + std::string(plain) + "\n");
    for (const char* other : {"",           "no", "Yes", "ON",   "null", "~",  "NaN", "1e3", "22",     "0x10", "1.5",
                              "2026-01-01", "-",  "a b", "a: b", "a #b", "*a", "&a",  "!a",  "tcp/22", ".inf"}) {
        CHECK_MESSAGE(written(other, Style::name) == "k: \"" + std::string(other) + "\"\n", other);
        CHECK_MESSAGE(read_back(written(other, Style::name)) == other, other);
    }
    CHECK(written("anna", Style::text) == "k: \"anna\"\n");
    CHECK(written("30s", Style::bare) == "k: 30s\n");
}

TEST_CASE("lists and mappings within") {
    Emitter out;
    out.list("services", {"ssh", "web"}, Style::text);
    out.list("none", {}, Style::text);
    out.begin("lockout", true);
    out.scalar("free", "2", Style::bare);
    out.scalar("first", "30s", Style::bare);
    out.end();
    out.begin("ports", false);
    out.list("ssh", {"tcp/22"}, Style::text);
    out.end();
    CHECK(out.text().value() == "services: [\"ssh\", \"web\"]\nnone: []\nlockout: {free: 2, first: 30s}\n"
                                "ports:\n  ssh: [\"tcp/22\"]\n");
}

TEST_CASE("any text of UTF-8 is read back as it was, and anything else is refused") {
    for (const char* text : {"\"", "\\", "a\nb", "\t", "\r\n", "\x1b[2J", "\xc3\xa9", "\xe2\x80\xae", "\xef\xbb\xbf",
                             "\xf0\x9f\x94\x91", "# no comment", "---", "...", "- a", "? a", "%YAML", "{{", "]", "'"}) {
        CHECK_MESSAGE(read_back(written(text, Style::text)) == text, text);
        CHECK_MESSAGE(read_back(written(text, Style::name)) == text, text);
    }
    CHECK(read_back(written(std::string("a\0b", 3), Style::text)) == std::string("a\0b", 3));
    for (const char* bad :
         {"\x80", "\xc0\x80", "\xc3", "a\xe2\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "\xe0\x80\x80"}) {
        CHECK_FALSE(is_utf8(bad));
        CHECK(written(bad, Style::text) == "(refused)");
    }
    constexpr std::string_view kSigns = " #:\"'\\[]{}\n-,&*!%@`~|>?ab0";
    std::mt19937 random(1);
    for (int round = 0; round < 20'000; ++round) {
        std::string text;
        for (auto length = random() % 12; length > 0; --length)
            text += random() % 3 == 0 ? static_cast<char>(random() % 256) : kSigns[random() % kSigns.size()];
        const std::string yaml = written(text, random() % 2 == 0 ? Style::text : Style::name);
        if (is_utf8(text))
            REQUIRE_MESSAGE(read_back(yaml) == text, yaml);
        else
            REQUIRE(yaml == "(refused)");
    }
}
