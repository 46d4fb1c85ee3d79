// SPDX-License-Identifier: MIT
#include "protocol/base/quote.h"

#include <doctest/doctest.h>

TEST_CASE("what could harm a log line or a terminal is escaped") {
    CHECK(xk::printable("plain text") == "plain text");
    CHECK(xk::printable("a\nb") == "a\\x0ab");
    CHECK(xk::printable("\x1b[2J") == "\\x1b[2J");
    CHECK(xk::printable("\\") == "\\x5c");
    CHECK(xk::printable("\xe2\x80\xae") == "\\xe2\\x80\\xae"); // right-to-left override
    CHECK(xk::printable(std::string_view("\0\x7f", 2)) == "\\x00\\x7f");
    CHECK(xk::in_quotes("x") == "\"x\"");
}

TEST_CASE("long text is cut") { CHECK(xk::printable("aaaaaa", 3) == "aaa..."); }

TEST_CASE("a name is short and plain") {
    for (const char* name : {"anna", "Anna-2", "a.b_c", "0", "x2345678901234567890123456789012"})
        CHECK_MESSAGE(xk::is_name(name), name);
    for (const char* name :
         {"", ".", "..", "-x", "_x", "a b", "a/b", "a\n", "\xc3\xa4", "x23456789012345678901234567890123"})
        CHECK_MESSAGE(!xk::is_name(name), name);
}

TEST_CASE("what was put together of escaped parts is not escaped twice") {
    const std::string part = xk::printable("a\\\x1b[2J\n");
    CHECK(part == "a\\x5c\\x1b[2J\\x0a");
    CHECK(xk::as_line(part) == part);
    CHECK(xk::as_line("a\x1b[2J\n\xc2\x9b\x7f\"\\") == "a\\x1b[2J\\x0a\\xc2\\x9b\\x7f\"\\");
    CHECK(xk::as_lines("one\r\ntwo\t\n") == "one\\x0d\ntwo\\x09\n");
    CHECK(xk::as_lines(xk::as_lines("\x07\n")) == "\\x07\n");
}
