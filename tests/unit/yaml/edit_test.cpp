// SPDX-License-Identifier: MIT
#include "protocol/yaml/edit.h"

#include "protocol/yaml/update.h"
#include "tests/unit/recording/directory.h"

#include <doctest/doctest.h>

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

using namespace xk;
using namespace xk::yaml;

namespace {

constexpr const char* kFile = "# Anna, of accounting\n"
                              "name: anna   # not to be changed\n"
                              "\n"
                              "services: [ssh, \"we]b\"] # two of them\n"
                              "lifetime: 30s\n"
                              "\n"
                              "# until she is back\n"
                              "hours:\n"
                              "  - mon-fri 08:00-18:00   # as the others\n"
                              "  - sat\n"
                              "lockout: {free: 1,\n"
                              "          most: 3}\n"
                              "quoted: 'it''s # one' # three\n"
                              "last: \"a \\\" # b\"";

std::string edited(const std::string& text, const std::string& key, std::optional<std::string> value) {
    const auto after = edit_mapping(text, "f.yaml", {{key, std::move(value)}});
    return after ? *after : after.error().message + " (" + after.error().hint + ")";
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    text.replace(text.find(from), from.size(), to);
    return text;
}

struct File {
    test::TemporaryDirectory itself;
    const std::string directory = itself.path(), path = directory + "/a.yaml";
    explicit File(const std::string& text, mode_t mode = 0640) {
        std::ofstream(path) << text;
        ::chmod(path.c_str(), mode);
    }

    std::string text() const {
        std::ifstream in(path);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    std::ptrdiff_t entries() const {
        return std::distance(std::filesystem::directory_iterator(directory), std::filesystem::directory_iterator());
    }
};

} // namespace

TEST_CASE("one value changes, and every other byte stays") {
    CHECK(edited(kFile, "lifetime", "1h") == replaced(kFile, "lifetime: 30s", "lifetime: 1h"));
    CHECK(edited(kFile, "services", "[\"web\"]") == replaced(kFile, "[ssh, \"we]b\"]", "[\"web\"]"));
    CHECK(edited(kFile, "name", "bob") == replaced(kFile, "anna   #", "bob   #"));
    CHECK(edited(kFile, "quoted", "x") == replaced(kFile, "'it''s # one'", "x"));
    CHECK(edited(kFile, "last", "x") == replaced(kFile, "\"a \\\" # b\"", "x"));
    CHECK(edited("a: 1\r\nb: 2\r\n", "a", "3") == "a: 3\r\nb: 2\r\n");
    CHECK(edited("a: x # y#z\n", "a", "1") == "a: 1 # y#z\n");
    CHECK(edited("a: x#y\n", "a", "1") == "a: 1\n");
}

TEST_CASE("a key that is not there comes last, one that goes takes its line along") {
    CHECK(edited(kFile, "enabled", "false") == kFile + std::string("\nenabled: false\n"));
    CHECK(edited("a: 1\n# end\n", "b", "2") == "a: 1\n# end\nb: 2\n");
    CHECK(edited(kFile, "lifetime", std::nullopt) == replaced(kFile, "lifetime: 30s\n", ""));
    CHECK(edited("a: 1\nb: 2", "b", std::nullopt) == "a: 1\n");
    CHECK(edited(kFile, "absent", std::nullopt) == kFile);
}

TEST_CASE("what would be a guess is refused, with the line to write by hand") {
    const auto refused = [](const std::string& text, const std::string& key, std::optional<std::string> value) {
        const auto after = edit_mapping(text, "f.yaml", {{key, std::move(value)}});
        return after ? "(edited) " + *after : after.error().message + " (" + after.error().hint + ")";
    };
    CHECK(
        refused(kFile, "hours", "[sun]") ==
        "f.yaml:8: \"hours\" cannot be changed without a change to what stands around it (write by hand, in a line of "
        "its own: hours: [sun])");
    for (const char* key : {"hours", "lockout"}) {
        CHECK(refused(kFile, key, "{}").find("by hand") != std::string::npos);
        CHECK(refused(kFile, key, std::nullopt).find("by hand") != std::string::npos);
    }
    // The comment of a line that goes is somebody's.
    CHECK(refused(kFile, "name", std::nullopt).find("take \"name\" out by hand") != std::string::npos);
    // Without its only key the file would be no mapping any more.
    CHECK(refused("a: 1\n", "a", std::nullopt).find("take \"a\" out by hand") != std::string::npos);
    for (const char* text :
         {"{a: 1, b: 2}\n", "  a: 1\n  b: 2\n", "? a\n: 1\n", "--- {a: 1}\n", "a: &x 1\nb: *x\n", "a: |\n  1\n",
          "a:\n  1\n", "a: \"1\n  2\"\n", "\"a\": 1\n", "a : 1\n", "a: [1,\n  2] # x\n"}) {
        CHECK_MESSAGE(refused(text, "a", "7").find("by hand") != std::string::npos, text);
        CHECK_MESSAGE(refused(text, "a", std::nullopt).find("by hand") != std::string::npos, text);
    }
    for (const char* text : {"{a: 1}\n", "  a: 1\n", "a: 1\n...\n", "a: &x 1\nb: *x\n", "- a\n"})
        CHECK_MESSAGE(refused(text, "c", "7").find("by hand") != std::string::npos, text);
    // A value that would become more than one.
    for (const char* value : {"1\nb: 2", "1 # x", "{", "", "a: b", "*x", "&x 1"})
        CHECK_MESSAGE(refused("a: 1\n", "a", value).find("by hand") != std::string::npos, value);
    CHECK(refused("a: [\n", "a", "1").find("f.yaml:") == 0);
}

TEST_CASE("edits are what differs between two texts") {
    const auto edits =
        edits_between("# head\nname: a\nenabled: false\nlifetime: 1s\n", "name: a\nlifetime: 2s\nnat: true\n");
    REQUIRE(edits.has_value());
    REQUIRE(edits->size() == 3);
    CHECK((*edits)[0].key == "enabled");
    CHECK_FALSE((*edits)[0].value.has_value());
    CHECK((*edits)[1].key == "lifetime");
    CHECK((*edits)[1].value == "2s");
    CHECK((*edits)[2].key == "nat");
    CHECK_FALSE(edits_between("a:\n  b: 1\n", "c: 1\n").has_value());
}

TEST_CASE("a file is exchanged as a whole, with its owner and mode") {
    const File file(kFile);
    REQUIRE(edit_file(file.path, {}, {{"lifetime", "2h"}, {"enabled", "false"}}));
    CHECK(file.text() == replaced(kFile, "30s", "2h") + "\nenabled: false\n");
    struct stat st {};
    REQUIRE(::stat(file.path.c_str(), &st) == 0);
    CHECK((st.st_mode & 07777) == 0640);
    CHECK(file.entries() == 1);
    // Without an edit nothing is touched.
    struct stat again {};
    REQUIRE(edit_file(file.path, {}, {}));
    REQUIRE(::stat(file.path.c_str(), &again) == 0);
    CHECK(again.st_ino == st.st_ino);
}

TEST_CASE("what fails leaves the old file and nothing beside it") {
    const File file(kFile);
    CHECK_FALSE(edit_file(file.path, {}, {{"lifetime", "2h"}, {"hours", "[sun]"}}).has_value());
    SUBCASE("in the middle of writing") {
        const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
        rlimit before{};
        REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
        rlimit small = before;
        small.rlim_cur = 100;
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
        const auto done = edit_file(file.path, {}, {{"lifetime", "2h"}});
        REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
        std::signal(SIGXFSZ, old_handler);
        CHECK_FALSE(done.has_value());
    }
    SUBCASE("a link, a second name, a file that others can write") {
        const std::string link = file.directory + "/link.yaml";
        REQUIRE(::symlink(file.path.c_str(), link.c_str()) == 0);
        CHECK_FALSE(edit_file(link, {}, {{"lifetime", "2h"}}).has_value());
        REQUIRE(::unlink(link.c_str()) == 0);
        REQUIRE(::link(file.path.c_str(), link.c_str()) == 0);
        CHECK_FALSE(edit_file(file.path, {}, {{"lifetime", "2h"}}).has_value());
        REQUIRE(::unlink(link.c_str()) == 0);
        REQUIRE(::chmod(file.path.c_str(), 0666) == 0);
        CHECK_FALSE(edit_file(file.path, {}, {{"lifetime", "2h"}}).has_value());
    }
    SUBCASE("larger than what is read") {
        FileRules rules;
        rules.max_size = std::string_view(kFile).size() + 5;
        CHECK_FALSE(edit_file(file.path, rules, {{"enabled", "false"}}).has_value());
    }
    CHECK(file.text() == kFile);
    CHECK(file.entries() == 1);
}
