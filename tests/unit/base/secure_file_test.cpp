// SPDX-License-Identifier: MIT
#include "protocol/base/secure_file.h"
#include "tests/unit/recording/directory.h"

#include <doctest/doctest.h>

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

namespace {

struct Directory {
    xk::test::TemporaryDirectory itself;
    const std::filesystem::path path = itself.path();

    std::string file(const char* name, mode_t mode) const {
        const auto p = path / name;
        std::ofstream(p) << "content";
        ::chmod(p.c_str(), mode);
        return p;
    }
};

xk::FileRules secret() {
    xk::FileRules rules;
    rules.secret = true;
    return rules;
}

std::string refusal(const std::string& path, const xk::FileRules& rules) {
    const auto result = xk::open_checked(path, rules);
    REQUIRE_FALSE(result);
    CHECK(result.error().exit == xk::Exit::configuration);
    return result.error().message;
}

} // namespace

TEST_CASE("a file that only its owner can write is read") {
    const Directory d;
    CHECK(xk::read_checked(d.file("a", 0644), {}).value() == "content");
    CHECK(xk::read_checked(d.file("b", 0600), secret()).value() == "content");
}

TEST_CASE("a file that others can write is refused, with its mode and the remedy") {
    const Directory d;
    const auto path = d.file("a", 0664);
    CHECK(refusal(path, {}) == '"' + path + "\" can be written by others (mode 0664)");
    CHECK(xk::open_checked(path, {}).error().hint == "chmod go-w " + path);
    CHECK(refusal(d.file("b", 0646), {}).find("(mode 0646)") != std::string::npos);
}

TEST_CASE("a secret that others can read is refused") {
    const Directory d;
    for (const mode_t mode : {0644u, 0640u, 0604u, 0601u})
        CHECK(refusal(d.file("a", mode), secret()).find("can be read by others") != std::string::npos);
}

TEST_CASE("a secret may be read by the one group that was named") {
    const Directory d;
    auto rules = secret();
    rules.group = ::getegid();
    CHECK(xk::open_checked(d.file("a", 0640), rules).has_value());
    CHECK_FALSE(xk::open_checked(d.file("a", 0644), rules).has_value());
    rules.group = ::getegid() + 1;
    CHECK_FALSE(xk::open_checked(d.file("a", 0640), rules).has_value());
}

TEST_CASE("links, directories, pipes and devices are refused") {
    const Directory d;
    const auto file = d.file("a", 0600);
    const auto symbolic = (d.path / "symbolic").string();
    REQUIRE(::symlink(file.c_str(), symbolic.c_str()) == 0);
    CHECK(refusal(symbolic, {}).find("is a symbolic link") != std::string::npos);
    CHECK(refusal(d.path.string(), {}).find("is not a regular file") != std::string::npos);
    const auto pipe = (d.path / "pipe").string();
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    CHECK(refusal(pipe, {}).find("is not a regular file") != std::string::npos);
    CHECK(refusal("/dev/null", {}).find("is not a regular file") != std::string::npos);
    REQUIRE(::link(file.c_str(), (d.path / "hard").c_str()) == 0);
    CHECK(refusal(file, {}).find("second hard link") != std::string::npos);
    CHECK(refusal((d.path / "none").string(), {}).find("No such file") != std::string::npos);
}

TEST_CASE("a directory above that others can write is refused, a sticky one is not") {
    const Directory d;
    const auto inner = d.path / "inner";
    std::filesystem::create_directory(inner);
    std::ofstream(inner / "file") << "content";
    ::chmod((inner / "file").c_str(), 0600);
    CHECK(xk::open_checked((inner / "file").string(), {}).has_value());
    ::chmod(inner.c_str(), 0777);
    CHECK(refusal((inner / "file").string(), {}).find("inner\" can be written by others (mode 0777)") !=
          std::string::npos);
    ::chmod(inner.c_str(), 01777);
    CHECK(xk::open_checked((inner / "file").string(), {}).has_value());
}

TEST_CASE("a file of somebody else is refused") {
    const Directory d;
    const auto path = d.file("a", 0600);
    REQUIRE(::chown(path.c_str(), 4242, static_cast<gid_t>(-1)) == 0);
    CHECK(refusal(path, {}).find("belongs to uid 4242") != std::string::npos);
    xk::FileRules rules;
    rules.owner = 4242;
    CHECK(xk::open_checked(path, rules).has_value());
}

TEST_CASE("a file that is too large is refused") {
    const Directory d;
    xk::FileRules rules;
    rules.max_size = 6;
    CHECK(refusal(d.file("a", 0600), rules).find("larger than 6 bytes") != std::string::npos);
}

TEST_CASE("a new file has its mode at once and replaces only where asked") {
    const Directory d;
    const auto path = (d.path / "new").string();
    ::umask(0);
    REQUIRE(xk::write_file(path, "one", 0600, false));
    struct stat st {};
    REQUIRE(::stat(path.c_str(), &st) == 0);
    CHECK((st.st_mode & 07777) == 0600);
    CHECK(st.st_nlink == 1);
    CHECK_FALSE(xk::write_file(path, "two", 0600, false).has_value());
    CHECK(xk::read_checked(path, {}).value() == "one");
    REQUIRE(xk::write_file(path, "two", 0644, true));
    CHECK(xk::read_checked(path, {}).value() == "two");
    CHECK(std::distance(std::filesystem::directory_iterator(d.path), {}) == 1);
}

TEST_CASE("a directory that was found good is asked once, a file each time, and a way with a link always") {
    const Directory d;
    const auto a = d.file("a", 0600), b = d.file("b", 0600);
    std::set<std::string> checked;
    xk::FileRules rules = secret();
    rules.checked_directories = &checked;
    CHECK(xk::read_checked(a, rules).has_value());
    CHECK(checked == std::set<std::string>{d.path.string() + "/"});
    REQUIRE(::chmod(b.c_str(), 0644) == 0);
    CHECK(refusal(b, rules).find("can be read by others") != std::string::npos);
    // What was bad is not remembered as good, nor what a link leads to.
    std::filesystem::create_directory(d.path / "open");
    REQUIRE(::chmod((d.path / "open").c_str(), 0777) == 0);
    const auto c = d.file("open/c", 0600);
    for (int round = 0; round < 2; ++round)
        CHECK(refusal(c, rules).find("can be written by others") != std::string::npos);
    std::filesystem::create_directory_symlink(d.path, d.path / "link");
    CHECK(xk::read_checked((d.path / "link/a").string(), rules).has_value());
    CHECK(checked.size() == 1);
}

TEST_CASE("a file that cannot be written whole leaves the old one and nothing beside it") {
    const Directory d;
    const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
    const auto path = d.file("a", 0600);
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
    rlimit small = before;
    small.rlim_cur = 10;
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    const bool replaced = xk::write_file(path, std::string(20, 'x'), 0644, true).has_value();
    const bool made = xk::write_file(d.path / "b", std::string(20, 'x'), 0644, false).has_value();
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
    std::signal(SIGXFSZ, old_handler);
    CHECK_FALSE(replaced);
    CHECK_FALSE(made);
    // Nor one that cannot take its place: a directory has the name.
    std::filesystem::create_directory(d.path / "c");
    CHECK_FALSE(xk::write_file(d.path / "c", "x", 0644, true).has_value());
    CHECK_FALSE(xk::write_file(path, "x", 0644, false).has_value());
    CHECK(xk::read_checked(path, {}).value() == "content");
    CHECK(std::distance(std::filesystem::directory_iterator(d.path), std::filesystem::directory_iterator()) == 2);
}
