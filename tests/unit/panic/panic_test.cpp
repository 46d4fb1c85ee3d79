// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/panic.h"

#include "protocol/base/secure_file.h"
#include "tests/unit/recording/directory.h"

#include <doctest/doctest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

using namespace xk;
using namespace std::chrono_literals;

namespace {

struct Directory {
    test::TemporaryDirectory itself;
    const std::string path = itself.path();
    Panic read() const { return Panic::read(path, ::geteuid()); }
    void write(std::string_view content) const {
        REQUIRE(write_file(Panic::file_in(path), content, 0600, true).has_value());
    }
};

const WallTime kThen(1'700'000'000s);
const TcpSession kCaller{Address::v4(192, 0, 2, 9), 40000, Address::v4(192, 0, 2, 1), 22};

} // namespace

TEST_CASE("a panic outlives whoever began it, and knows how far it came and whose session is spared") {
    const Directory directory;
    CHECK_FALSE(directory.read().is_on());
    Panic panic = directory.read();
    REQUIRE(panic.begin_panic(kCaller, kThen).has_value());
    Panic found = directory.read();
    CHECK(found.is_on());
    CHECK_FALSE(found.is_finished());
    CHECK(found.since() == kThen);
    CHECK(found.spared() == kCaller);
    REQUIRE(found.finish().has_value());
    found = directory.read();
    CHECK(found.is_finished());
    CHECK(found.spared() == kCaller);
    // Once more, by somebody at the console.
    REQUIRE(found.begin_panic({}, kThen + 5s).has_value());
    CHECK_FALSE(directory.read().is_finished());
    CHECK_FALSE(directory.read().spared().has_value());
    REQUIRE(found.end().has_value());
    CHECK_FALSE(found.is_on());
    CHECK_FALSE(directory.read().is_on());
}

TEST_CASE("a file that makes no sense, or cannot be read, is a panic that was not carried out") {
    const Directory directory;
    for (const char* content :
         {"", "\n", "finished", "finished 1700000000", "finished x\n", "over 1700000000\n", "finished -1\n",
          "finished 99999999999\n", "finished 1700000000 192.0.2.9\n",
          "finished 1700000000 192.0.2.9 40000 nowhere 22\n", "finished 1700000000 192.0.2.9 99999 192.0.2.1 22\n"}) {
        directory.write(content);
        CHECK_MESSAGE(directory.read().is_on(), content);
        CHECK_MESSAGE(!directory.read().is_finished(), content);
        CHECK_MESSAGE(!directory.read().since(), content);
    }
    REQUIRE(::unlink(Panic::file_in(directory.path).c_str()) == 0);
    REQUIRE(::symlink("/dev/null", Panic::file_in(directory.path).c_str()) == 0);
    CHECK(directory.read().is_on());
    CHECK_FALSE(directory.read().is_finished());
}

TEST_CASE("a panic that the release before wrote goes on; of a newer format it is one that was not carried out") {
    const Directory directory;
    for (const char* version : {"", "xknock-panic 1\n"}) {
        directory.write(std::string("finished 1700000000 192.0.2.9 40000 192.0.2.1 22\n") + version);
        CHECK(directory.read().is_finished());
        CHECK(directory.read().spared() == kCaller);
        directory.write(std::string("finished 1700000000\n") + version);
        CHECK(directory.read().is_finished());
    }
    for (const char* version : {"xknock-panic 2\n", "xknock-panic 1\nmore\n", "xknock-panic \n"}) {
        directory.write(std::string("finished 1700000000\n") + version);
        CHECK_MESSAGE(directory.read().is_on(), version);
        CHECK_MESSAGE(!directory.read().is_finished(), version);
    }
}

TEST_CASE("a panic that cannot be written down is one all the same") {
    const Directory directory;
    Panic panic = Panic::read(directory.path + "/missing", ::geteuid());
    CHECK_FALSE(panic.is_on());
    CHECK_FALSE(panic.begin_panic(kCaller, kThen).has_value());
    CHECK(panic.is_on());
}
