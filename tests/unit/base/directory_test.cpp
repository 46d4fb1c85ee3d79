// SPDX-License-Identifier: MIT
#include "protocol/base/directory.h"

#include "protocol/base/secure_file.h"
#include "tests/unit/recording/directory.h"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

using namespace xk;
namespace fs = std::filesystem;

namespace {

constexpr uid_t kOther = 4242;

struct Ground {
    test::TemporaryDirectory itself;
    const fs::path path = itself.path();
    Ground() { fs::create_directory(path / "real"); }
    std::string operator/(const char* name) const { return (path / name).string(); }
    void link(const char* to, const char* name, uid_t owner) const {
        REQUIRE(::symlink(to, (path / name).c_str()) == 0);
        REQUIRE(::lchown((path / name).c_str(), owner, owner) == 0);
    }
};

struct stat status_of(const std::string& path) {
    struct stat st {};
    REQUIRE(::lstat(path.c_str(), &st) == 0);
    return st;
}

} // namespace

TEST_CASE("links of root's and our own are followed, whatever they look like") {
    const Ground g;
    g.link("real", "relative", 0);
    g.link((g / "relative").c_str(), "absolute", 0);
    g.link("./real/../relative/.", "winding", 0);
    for (const char* name : {"real", "real/", "relative", "absolute", "winding", "absolute/../winding"})
        CHECK_MESSAGE(open_directory(g / name).has_value(), name);
    g.link("circle", "circle", 0);
    CHECK(open_directory(g / "circle").error().message.find("Too many levels") != std::string::npos);
    CHECK_FALSE(open_directory(g / "none").has_value());
}

TEST_CASE("a link of somebody else's is not followed, on the way or at its end") {
    const Ground g;
    g.link("real", "theirs", kOther);
    g.link("theirs", "ours", 0);
    fs::create_directory(g.path / "real/below");
    for (const char* name : {"theirs", "ours", "theirs/below"}) {
        const auto opened = open_directory(g / name);
        REQUIRE_MESSAGE(!opened, name);
        CHECK(opened.error().message.find("is a symbolic link of user 4242") != std::string::npos);
    }
    CHECK_FALSE(write_file(g / "theirs/file", "text", 0600, true).has_value());
    CHECK_FALSE(make_directory(g / "theirs/new", 0700, kOther, kOther).has_value());
    CHECK_FALSE(create_directory(g / "theirs/new", 0700, {}, {}).has_value());
    std::ofstream(g.path / "real/file") << "text";
    CHECK_FALSE(remove_file(g / "theirs/file", false).has_value());
    CHECK(fs::exists(g.path / "real/file"));
    CHECK(remove_file(g / "real/file", true).has_value());
    CHECK(remove_file(g / "real/file", true).has_value()); // nothing there is no error
}

TEST_CASE("a directory that is made has its mode and owner, and one that is there stays as it is") {
    const Ground g;
    ::umask(077);
    REQUIRE(create_directory(g / "made", 0755, {}, kOther).has_value());
    ::umask(022);
    CHECK((status_of(g / "made").st_mode & 07777) == 0755);
    CHECK(status_of(g / "made").st_gid == kOther);
    REQUIRE(create_directory(g / "made", 0700, kOther, {}).has_value());
    CHECK((status_of(g / "made").st_mode & 07777) == 0755);
    CHECK(status_of(g / "made").st_uid == 0);
}

TEST_CASE("a directory is given to its user only when it is empty, and no link") {
    const Ground g;
    REQUIRE(make_directory(g / "new", 0750, kOther, kOther).has_value());
    CHECK(status_of(g / "new").st_uid == kOther);
    CHECK((status_of(g / "new").st_mode & 07777) == 0750);
    REQUIRE(make_directory(g / "real", 0700, kOther, kOther).has_value());
    CHECK(status_of(g / "real").st_uid == kOther);
    fs::create_directories(g.path / "used/by-somebody");
    CHECK(make_directory(g / "used", 0700, kOther, kOther).error().message.find("is in use") != std::string::npos);
    CHECK(status_of(g / "used").st_uid == 0);
    g.link("used", "link", 0);
    CHECK(make_directory(g / "link", 0700, kOther, kOther).error().message.find("is not a directory") !=
          std::string::npos);
    CHECK(status_of(g / "link").st_uid == 0);
}

TEST_CASE("a directory that cannot be read is not given away, because it may be in use") {
    const Ground g;
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    // Two descriptors find and open it. To read it takes one more.
    const int first = ::dup(STDIN_FILENO), second = ::dup(STDIN_FILENO);
    const rlimit two{static_cast<rlim_t>(second) + 1, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &two) == 0);
    ::close(first);
    ::close(second);
    const auto given = make_directory(g / "real", 0700, kOther, kOther);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    REQUIRE_FALSE(given);
    CHECK(given.error().message.find("is in use") != std::string::npos);
    CHECK(status_of(g / "real").st_uid == 0);
}

TEST_CASE("a new file is given to its owner, and a link in its place is replaced, not followed") {
    const Ground g;
    std::ofstream(g.path / "target") << "root's own";
    g.link((g / "target").c_str(), "file", kOther);
    CHECK_FALSE(write_file(g / "file", "text", 0600, false, {}, false, kOther).has_value());
    REQUIRE(write_file(g / "file", "text", 0600, true, kOther, true, kOther).has_value());
    CHECK(S_ISREG(status_of(g / "file").st_mode));
    CHECK(status_of(g / "file").st_uid == kOther);
    CHECK(status_of(g / "target").st_uid == 0);
    CHECK(read_checked(g / "target", {}).value() == "root's own");
}
