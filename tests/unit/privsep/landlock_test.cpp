// SPDX-License-Identifier: MIT
//
// Each right that Landlock takes away, one by one: what it forbids is tried by a child with and without it. The list is
// this test's own. Root, because a right that is missing shows only where nothing else forbids the attempt.
#include "daemon/privsep/landlock.h"
#include "protocol/base/fd.h"
#include "tests/unit/recording/directory.h"

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

using namespace xk;
using namespace xk::privsep;

namespace {

int error_of(int result) { return result < 0 ? errno : 0; }
int open_error(const std::string& path, int flags) { return error_of(::open(path.c_str(), flags | O_CLOEXEC)); }
int make(const std::string& path, mode_t type) { return error_of(::mknod(path.c_str(), type | 0600, 0)); }

sockaddr_in loopback(in_port_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    address.sin_port = port;
    return address;
}

sockaddr_un abstract_name() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "xk-landlock-%d", static_cast<int>(::getpid()));
    return address;
}

// Files, a TCP port, an abstract socket and a process that are there to be touched. A new one for each attempt.
struct Ground {
    test::TemporaryDirectory itself;
    const std::string directory = itself.path();
    Fd listener{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    Fd abstract{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in port = loopback(0);
    sockaddr_un name = abstract_name();
    pid_t process = ::getpid();

    Ground() {
        for (const char* empty : {"/empty", "/from", "/to"})
            REQUIRE(::mkdir((directory + empty).c_str(), 0700) == 0);
        for (const char* file : {"/file", "/program", "/from/file"})
            REQUIRE((std::ofstream(directory + file) << "no program\n"));
        REQUIRE(::chmod((directory + "/program").c_str(), 0700) == 0);
        socklen_t size = sizeof port;
        REQUIRE(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&port), size) == 0);
        REQUIRE(::listen(listener.get(), 4) == 0);
        REQUIRE(::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&port), &size) == 0);
        REQUIRE(::bind(abstract.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0);
        REQUIRE(::listen(abstract.get(), 4) == 0);
    }

    std::string at(const char* name_in) const { return directory + name_in; }
};

int execute(const Ground& g) {
    const std::string program = g.at("/program");
    char* const none[] = {nullptr};
    ::execve(program.c_str(), none, none); // ENOEXEC where it may be executed
    return errno;
}
int move_elsewhere(const Ground& g) { return error_of(::rename(g.at("/from/file").c_str(), g.at("/to/file").c_str())); }
int ask_device(const Ground&) {
    const Fd device(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    termios unused{};
    return device ? error_of(::ioctl(device.get(), TCGETS, &unused)) : errno; // ENOTTY where it is asked
}
int bind_port(const Ground&) {
    const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in any = loopback(0);
    return error_of(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any));
}
int connect_port(const Ground& g) {
    const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return error_of(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&g.port), sizeof g.port));
}
int connect_abstract(const Ground& g) {
    const Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return error_of(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&g.name), sizeof g.name));
}

struct Attempt {
    const char* name;
    int since; // version of Landlock
    LandlockRights right;
    int refused; // errno, where this right alone is missing
    int (*attempt)(const Ground&);
};

LandlockRights file(int bit) { return {.files = 1ull << bit}; }
LandlockRights network(int bit) { return {.network = 1ull << bit}; }
LandlockRights scope(int bit) { return {.scopes = 1ull << bit}; }

const Attempt kAttempts[] = {
    {"execute", 1, file(0), EACCES, execute},
    {"write a file", 1, file(1), EACCES, [](const Ground& g) { return open_error(g.at("/file"), O_WRONLY); }},
    {"read a file", 1, file(2), EACCES, [](const Ground& g) { return open_error(g.at("/file"), O_RDONLY); }},
    {"read a directory", 1, file(3), EACCES, [](const Ground& g) { return open_error(g.at("/from"), O_DIRECTORY); }},
    {"remove a directory", 1, file(4), EACCES,
     [](const Ground& g) { return error_of(::rmdir(g.at("/empty").c_str())); }},
    {"remove a file", 1, file(5), EACCES, [](const Ground& g) { return error_of(::unlink(g.at("/file").c_str())); }},
    // Of number 0:0, which everybody may make.
    {"make a character device", 1, file(6), EACCES, [](const Ground& g) { return make(g.at("/new"), S_IFCHR); }},
    {"make a directory", 1, file(7), EACCES,
     [](const Ground& g) { return error_of(::mkdir(g.at("/new").c_str(), 0700)); }},
    {"make a file", 1, file(8), EACCES, [](const Ground& g) { return make(g.at("/new"), S_IFREG); }},
    {"make a socket", 1, file(9), EACCES, [](const Ground& g) { return make(g.at("/new"), S_IFSOCK); }},
    {"make a pipe", 1, file(10), EACCES, [](const Ground& g) { return make(g.at("/new"), S_IFIFO); }},
    {"make a block device", 1, file(11), EACCES, [](const Ground& g) { return make(g.at("/new"), S_IFBLK); }},
    {"make a symbolic link", 1, file(12), EACCES,
     [](const Ground& g) { return error_of(::symlink("file", g.at("/new").c_str())); }},
    {"move to another directory", 2, file(13), EXDEV, move_elsewhere},
    {"truncate", 3, file(14), EACCES, [](const Ground& g) { return error_of(::truncate(g.at("/file").c_str(), 0)); }},
    {"bind a TCP port", 4, network(0), EACCES, bind_port},
    {"connect by TCP", 4, network(1), EACCES, connect_port},
    {"control a device", 5, file(15), EACCES, ask_device},
    {"connect to an abstract socket", 6, scope(0), EPERM, connect_abstract},
    {"signal another process", 6, scope(1), EPERM, [](const Ground& g) { return error_of(::kill(g.process, 0)); }},
};

LandlockRights both(const LandlockRights& a, const LandlockRights& b) {
    return {.files = a.files & b.files, .network = a.network & b.network, .scopes = a.scopes & b.scopes};
}

// errno of the attempt in a child that gave up these rights; 0: it succeeded.
int outcome(const Attempt& attempt, const LandlockRights& dropped) {
    const Ground ground;
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !drop_landlock_rights(dropped))
            ::_exit(255);
        ::_exit(attempt.attempt(ground));
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    return WEXITSTATUS(status);
}

} // namespace

TEST_CASE("Landlock: each right that this kernel knows is refused once it is given up, and not before") {
    const int version = landlock_version();
    MESSAGE("this kernel's Landlock has version ", version);
    const LandlockRights all = landlock_rights(version);
    for (const Attempt& attempt : kAttempts) {
        CAPTURE(attempt.name);
        CHECK(outcome(attempt, {}) != attempt.refused);
        if (attempt.since > version)
            continue;
        CHECK(outcome(attempt, both(all, attempt.right)) == attempt.refused);
        const int among_all = outcome(attempt, all);
        CHECK((among_all == attempt.refused || among_all == EACCES));
    }
}

TEST_CASE("Landlock: a version has its own rights and those of the versions before it") {
    CHECK(landlock_rights(0) == LandlockRights{});
    for (int version = 1; version <= 12; ++version) {
        CAPTURE(version);
        LandlockRights expected;
        for (const Attempt& attempt : kAttempts)
            if (attempt.since <= version) {
                expected.files |= attempt.right.files;
                expected.network |= attempt.right.network;
                expected.scopes |= attempt.right.scopes;
            }
        CHECK(landlock_rights(version) == expected);
    }
}

TEST_CASE("Landlock: where there is no right to give up, nothing is done") {
    CHECK(privsep::landlock_rights(0) == privsep::LandlockRights{});
    CHECK(privsep::drop_landlock_rights({}).has_value());
}

TEST_CASE("Landlock: rights that the kernel does not know are an error") {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0)
        ::_exit(drop_landlock_rights({.files = 1ull << 63}) ? 1 : 0);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
}
