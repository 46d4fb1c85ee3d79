// SPDX-License-Identifier: MIT
#include "protocol/yaml/document.h"

#include "protocol/base/duration.h"

#include <doctest/doctest.h>

using namespace xk;
using namespace xk::yaml;

namespace {

struct Read {
    Faults faults;
    std::optional<Section> section;
    explicit Read(std::string_view text) : section(yaml::read(text, "f.yaml", faults)) {}
    Section* operator->() { return &*section; }
    std::string fault(std::size_t i = 0) const {
        return i < faults.all().size() ? faults.all()[i].text() : "(no fault)";
    }
};

} // namespace

TEST_CASE("values are read with their places") {
    Read r("name: anna\n"
           "on: true\n"
           "port: 22\n"
           "time: 5m\n"
           "list: [a, b]\n"
           "one: c\n"
           "inner:\n"
           "  x: y\n");
    REQUIRE(r.section.has_value());
    CHECK(r->scalar("name")->value == "anna");
    CHECK(r->scalar("name")->place.text() == "f.yaml:1:7");
    CHECK(r->boolean("on") == true);
    CHECK(r->number("port", 1, 65535) == 22);
    CHECK(r->parsed("time", parse_duration) == std::chrono::seconds(300));
    CHECK(r->scalars("list")->size() == 2);
    CHECK(r->scalars("one")->at(0).value == "c");
    auto inner = r->section("inner");
    REQUIRE(inner.has_value());
    CHECK(inner->scalar("x")->value == "y");
    CHECK_FALSE(r->scalar("absent").has_value());
    r->finish();
    CHECK(r.faults.empty());
}

TEST_CASE("a mapping of names keeps its order") {
    Read r("services:\n  web: [tcp/80, tcp/443]\n  ssh: tcp/22\n");
    const auto entries = r->entries("services");
    REQUIRE(entries->size() == 2);
    CHECK(entries->at(0).name.value == "web");
    CHECK(entries->at(0).values.size() == 2);
    CHECK(entries->at(1).values.at(0).place.text() == "f.yaml:3:8");
}

TEST_CASE("unknown keys are faults, with what may have been meant") {
    Read r("nmae: anna\nzzz: 1\n");
    r->scalar("name");
    r->boolean("enabled");
    r->finish();
    CHECK(r.fault(0) == "f.yaml:1:1: unknown key \"nmae\" (did you mean \"name\"?)");
    CHECK(r.fault(1) == "f.yaml:2:1: unknown key \"zzz\"");
}

TEST_CASE("what cannot begin a document ends the reading") {
    for (const char* text : {",\n", "a: 1\n,\n", "]\n", "a: 1\n}\n", "---\na: 1\n---\n,\n"}) {
        Faults faults;
        CHECK_MESSAGE(!read(text, "f.yaml", faults).has_value(), text);
        CHECK_MESSAGE(!faults.all().empty(), text);
    }
}

TEST_CASE("a key that is there twice is a fault") {
    Read r("a: 1\nb: 2\na: 3\n");
    CHECK(r.fault() == "f.yaml:3:1: \"a\" is there twice (the first is in line 1)");
}

TEST_CASE("values of another kind are faults at their place") {
    Read r("a: [1]\nb: 1\nc: yes\nd: 0x10\ne: 70000\nf: -1\ng:\nh: 5\ni: {x: 1}\n");
    r->scalar("a");
    r->section("b");
    r->boolean("c");
    for (const char* key : {"d", "e", "f"})
        r->number(key, 0, 65535);
    r->scalar("g");
    r->parsed("h", parse_duration);
    r->scalars("i");
    CHECK(r.fault(0) == "f.yaml:1:4: expected a single value but this is a list");
    CHECK(r.fault(1) == "f.yaml:2:4: expected a mapping but this is a single value");
    CHECK(r.fault(2) == "f.yaml:3:4: \"yes\" is neither true nor false");
    CHECK(r.fault(3) == "f.yaml:4:4: \"0x10\" is not a number from 0 to 65535");
    CHECK(r.fault(4) == "f.yaml:5:4: \"70000\" is not a number from 0 to 65535");
    CHECK(r.fault(5) == "f.yaml:6:4: \"-1\" is not a number from 0 to 65535");
    CHECK(r.fault(6).find("this is nothing") != std::string::npos);
    CHECK(r.fault(7).find("f.yaml:8:4: \"5\" is not a duration (write a number and a unit") == 0);
    CHECK(r.fault(8) == "f.yaml:9:4: expected a single value but this is a mapping");
    CHECK(r.faults.error().exit == Exit::configuration);
}

TEST_CASE("a key that is required and absent is a fault") {
    Read r("a: 1\n");
    r->require("a");
    r->require("b");
    r->finish();
    REQUIRE(r.faults.all().size() == 1);
    CHECK(r.fault() == "f.yaml:1:1: \"b\" is missing");
}

TEST_CASE("one mistake is one fault") {
    Read misspelt("prot: 1\n");
    misspelt->require("port");
    misspelt->finish();
    REQUIRE(misspelt.faults.all().size() == 1);
    CHECK(misspelt.fault() == "f.yaml:1:1: unknown key \"prot\" (did you mean \"port\"?)");

    // A key that is near to a missing one, and is known, does not excuse it.
    Read near("users: 1\n");
    near->number("users", 1, 2);
    near->require("user");
    near->finish();
    CHECK(near.fault() == "f.yaml:1:1: \"user\" is missing");
}

TEST_CASE("lines that somebody forgot to indent") {
    Read r("a: 1\ngate:\nallow: x\nother: y\nb: 2\n");
    r->section("gate");
    r->number("a", 1, 2);
    r->number("b", 1, 2);
    r->finish();
    REQUIRE(r.faults.all().size() == 2);
    CHECK(r.fault(0) == "f.yaml:3:1: unknown key \"allow\" (if it belongs under \"gate\", indent it)");
    CHECK(r.fault(1) == "f.yaml:4:1: unknown key \"other\" (if it belongs under \"gate\", indent it)");

    Read no_section("a: 1\nallow: x\n");
    no_section->number("a", 1, 2);
    no_section->finish({{"allow", "gate"}});
    CHECK(no_section.fault() == "f.yaml:2:1: unknown key \"allow\" (\"allow\" belongs under \"gate\": indent it)");

    Read empty("gate:\n  # allow: x\n");
    empty->section("gate");
    empty->finish();
    REQUIRE(empty.faults.all().size() == 1);
    CHECK(empty.fault() ==
          "f.yaml:1:1: \"gate\" has nothing below it (indent the lines that belong to it, or leave it out)");
}

TEST_CASE("what is not one mapping is refused as a whole") {
    for (const char* text : {"", "   \n", "# only a comment\n", "- a\n- b\n", "just text", "a: 1\n---\nb: 2\n", "a: [1",
                             "a: b: c", "\ta: 1", "a: \"unterminated", "a: *nowhere", "{a: 1"}) {
        Read r(text);
        CHECK_MESSAGE(!r.section.has_value(), text);
        CHECK_MESSAGE(r.faults.all().size() == 1, text);
    }
    CHECK_FALSE(Read(std::string_view("a: 1\0", 5)).section.has_value());
    CHECK_FALSE(Read(std::string(2 * 1024 * 1024, 'a')).section.has_value());
    CHECK(Read("a: 1\nb: [1\n").fault().find("f.yaml:") == 0);
}

TEST_CASE("depth and aliases do not bring it down") {
    Read deep("a: " + std::string(100'000, '['));
    CHECK_FALSE(deep.section.has_value());
    std::string bomb = "a: &a [x, x]\n";
    for (char c = 'b'; c <= 'z'; ++c)
        bomb +=
            std::string(1, c) + ": &" + c + " [*" + static_cast<char>(c - 1) + ", *" + static_cast<char>(c - 1) + "]\n";
    Read aliases(bomb);
    REQUIRE(aliases.section.has_value());
    aliases->scalars("z"); // its items are lists: faults, not a billion strings
    CHECK(aliases.faults.all().size() == 2);
}
