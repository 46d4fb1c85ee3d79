// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/trial.h"

#include "protocol/base/secure_file.h"
#include "tests/unit/recording/directory.h"

#include <doctest/doctest.h>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

using namespace xk;
using namespace std::chrono_literals;

namespace {

struct Directory {
    test::TemporaryDirectory itself;
    const std::string path = itself.path();
    Trial read() const { return Trial::read(path, ::geteuid()); }
    void write(std::string_view content) const {
        REQUIRE(write_file(Trial::file_in(path), content, 0644, true).has_value());
    }
};

const BootTime kNow(1'000s);

} // namespace

TEST_CASE("a trial is known to the next daemon, and ends when it was to") {
    const Directory directory;
    CHECK_FALSE(directory.read().is_on());
    Trial trial = directory.read();
    REQUIRE(trial.begin_trial(60s, kNow));
    Trial found = directory.read();
    CHECK(found.is_on());
    CHECK_FALSE(found.is_over(kNow + 59s));
    CHECK(found.is_over(kNow + 60s));
    CHECK(found.left(kNow) == 60s);
    REQUIRE(found.forget());
    CHECK_FALSE(directory.read().is_on());
}

TEST_CASE("a trial that the release before wrote goes on") {
    const Directory directory;
    directory.write("- 1060000000000\n"); // it wrote no number of a format
    CHECK_FALSE(directory.read().is_over(kNow + 59s));
    CHECK(directory.read().is_over(kNow + 60s));
}

TEST_CASE("a trial whose file cannot even be looked for is over") {
    const Directory directory;
    std::filesystem::create_symlink("trial", Trial::file_in(directory.path)); // it leads to itself
    CHECK(directory.read().is_on());
    CHECK(directory.read().is_over(BootTime{}));
}

TEST_CASE("a trial of another boot or a newer format is over: nobody can say that it is not") {
    const Directory directory;
    for (const char* content : {"- 1060000000000\nxknock-trial 2\n", "- 1060000000000\nxknock-trial 1\nmore\n", "- 106",
                                "0000 1060000000000\nxknock-trial 1\n", "- x\n", ""}) {
        directory.write(content);
        CHECK_MESSAGE(directory.read().is_over(kNow), content);
    }
    directory.write("- 1060000000000\nxknock-trial 1\n");
    CHECK_FALSE(directory.read().is_over(kNow));
}

TEST_CASE("a trial lasts from a second to a week") {
    CHECK(parse_trial_time("1s").value() == 1s);
    CHECK(parse_trial_time("7d").value() == Trial::kLongest);
    for (const char* text : {"0s", "0", "8d", "soon", ""}) {
        CAPTURE(text);
        const auto time = parse_trial_time(text);
        REQUIRE_FALSE(time);
        CHECK(time.error().exit == Exit::usage);
    }
}
