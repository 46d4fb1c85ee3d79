// SPDX-License-Identifier: MIT
//
// Texts that are no YAML: one fault each, at the mistake and not where the parser gave up.
#include "protocol/yaml/document.h"

#include <doctest/doctest.h>

using namespace xk;
using namespace xk::yaml;

namespace {

// The one fault of a text; "none" where it is good.
std::string syntax_fault(std::string_view text) {
    Faults faults;
    (void)yaml::read(text, "f", faults);
    CHECK(faults.all().size() <= 1);
    return faults.empty() ? "none" : faults.all()[0].text();
}

} // namespace

TEST_CASE("a tab") {
    CHECK(syntax_fault("a:\n\tb: 1\n") == "f:2:1: a tab indents this line (YAML is indented by spaces)");
    CHECK(syntax_fault("a:\n  \tb: 1\n c: 1\n") == "f:2:3: a tab indents this line (YAML is indented by spaces)");
    CHECK(syntax_fault("a: 1\t# a tab elsewhere is fine\n") == "none");
}

TEST_CASE("brackets and quotes that are never closed") {
    CHECK(syntax_fault("a: {b: 1\n") == "f:1:4: this { is never closed");
    CHECK(syntax_fault("a: [1\nb: {c: 2}\nd: 3\n") == "f:1:4: this [ is never closed");
    CHECK(syntax_fault("a: [1,\n  {x: [2]\n") == "f:2:3: this { is never closed");
    CHECK(syntax_fault("a: \"x\nb: 3\n") == "f:1:4: this \" is never closed");
    CHECK(syntax_fault("a: 'x\nb: 3\n") == "f:1:4: this ' is never closed");
    CHECK(syntax_fault("a: \"x\\\"\nb: 3\n") == "f:1:4: this \" is never closed");
    // What only looks like one is none.
    CHECK(syntax_fault("# don't [\na: it's {# no\nb: [1, {c: 'it''s'}] # it's (\n") == "none");
    CHECK(syntax_fault("a: [1]]\n").find("f:1:7: ") == 0);
}

TEST_CASE("indentation") {
    CHECK(syntax_fault("a:\n  b: 1\n c: 2\n") == "f:3:2: this line is indented by 1 space, which fits to no line "
                                                 "before it (indent it by 2 spaces, as its neighbours)");
    CHECK(syntax_fault("a:\n  b: 1\n   c: 2\n") == "f:3:4: this line is indented by 3 spaces, which fits to no line "
                                                   "before it (indent it by 2 spaces, as its neighbours)");
    CHECK(syntax_fault("a: 1\n  # any comment\n\n    b: 2\nc: 3\n").find("f:4:5: this line is indented by 4 spaces") ==
          0);
}

TEST_CASE("a colon without a space") {
    CHECK(syntax_fault("a: 1\nport:3\nb: 2\n") == "f:2:5: a colon behind a key needs a space behind it");
}

TEST_CASE("no text takes long") {
    CHECK(syntax_fault("a: [\n" + [] {
              std::string many;
              for (int i = 0; i < 100'000; ++i)
                  many += "x: [\n";
              return many;
          }()) == "f:1:4: this [ is never closed");
}
