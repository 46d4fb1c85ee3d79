// SPDX-License-Identifier: MIT
#include "tools/knockctl/doctor/saved.h"

#include <doctest/doctest.h>

using namespace xk::tools;

namespace {

std::vector<std::string> mentions(const std::string& text) {
    std::vector<std::string> found;
    for (const Mention& mention : read_saved_ruleset(text).mentions)
        found.push_back(std::to_string(mention.line) + (mention.adds ? " + " : " - ") + mention.text);
    return found;
}
using Texts = std::vector<std::string>;

} // namespace

TEST_CASE("a saved ruleset names our table where it puts something into it") {
    CHECK(mentions("flush ruleset\ntable inet xknock {\n chain prerouting { }\n}\n") == Texts{"2 + table inet xknock"});
    CHECK(mentions("table  inet\txknock{}") == Texts{"1 + table inet xknock"});
    CHECK(mentions("add table inet xknock { }") == Texts{"1 + table inet xknock"});
    CHECK(mentions("table \\\n inet \\\n xknock { }") == Texts{"1 + table inet xknock"});
    CHECK(mentions("define t = xknock\ntable inet $t { }") == Texts{"2 + table inet xknock"});
    CHECK(mentions("add element inet xknock grants4 { 1 }\nadd rule inet xknock gate accept") ==
          Texts{"1 + element inet xknock", "2 + rule inet xknock"});
    CHECK(mentions("delete table inet xknock; flush set inet xknock grants4") ==
          Texts{"1 - delete table inet xknock", "1 - flush set inet xknock"});
}

TEST_CASE("and nowhere else") {
    for (const char* text :
         {"", "# table inet xknock { }", "table ip xknock { }", "table inet mine { comment \"table inet xknock {\" }",
          "table inet xknocks { }", "list table inet xknock", "table inet xknock\ndelete table ip xknock", "table inet",
          "table", "table inet $t { }", "\"", "\\", "#"})
        CHECK_MESSAGE(mentions(text).empty(), text);
}

TEST_CASE("what it includes is known") {
    CHECK(read_saved_ruleset("include \"/etc/nftables.d/*.nft\"\n#include \"no\"\n include \"a b\"").includes ==
          Texts{"/etc/nftables.d/*.nft", "a b"});
    CHECK(read_saved_ruleset("include").includes.empty());
}
