// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/notify.h"

#include "tests/unit/lifecycle/recorder.h"
#include "tests/unit/recording/directory.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>

using namespace xk;
using namespace xk::test;

namespace {

// The service manager's end of the socket. A name that begins with "@" is abstract.
struct Manager {
    Fd socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    Fd received; // the descriptor of the last message

    explicit Manager(const std::string& name) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::memcpy(address.sun_path, name.data(), name.size());
        if (name[0] == '@')
            address.sun_path[0] = '\0';
        const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
        REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
        ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
    }
    ~Manager() { ::unsetenv("NOTIFY_SOCKET"); }

    // Empty where there is no message.
    std::string receive() {
        std::array<char, 256> text{};
        iovec part{text.data(), text.size()};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const ssize_t n = ::recvmsg(socket.get(), &message, MSG_CMSG_CLOEXEC);
        received.reset();
        if (const cmsghdr* const c = CMSG_FIRSTHDR(&message)) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(c), sizeof fd);
            received.reset(fd);
        }
        return {text.data(), n > 0 ? static_cast<std::size_t>(n) : 0};
    }
};

struct Listed {
    Listed(pid_t pid, const std::string& count, const char* names) {
        ::setenv("LISTEN_PID", std::to_string(pid).c_str(), 1);
        ::setenv("LISTEN_FDS", count.c_str(), 1);
        ::setenv("LISTEN_FDNAMES", names, 1);
    }
    ~Listed() {
        for (const char* variable : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"})
            ::unsetenv(variable);
    }
};

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

// Descriptors 3 and 4 as the service manager leaves them: open, and kept over exec. What they were comes back.
struct Inherited {
    Fd saved[2];
    Inherited() {
        for (const int i : {0, 1}) {
            saved[i].reset(is_open(3 + i) ? ::fcntl(3 + i, F_DUPFD_CLOEXEC, 10) : -1);
            const Fd null(::open("/dev/null", O_RDONLY));
            Fd high(::fcntl(null.get(), F_DUPFD, 10));
            REQUIRE(::dup2(high.get(), 3 + i) == 3 + i);
        }
    }
    ~Inherited() {
        for (const int i : {0, 1})
            if (saved[i])
                ::dup2(saved[i].get(), 3 + i);
            else
                ::close(3 + i);
    }
};

} // namespace

TEST_CASE("the service manager gets a state at a path, and at an abstract name") {
    const TemporaryDirectory directory;
    for (const std::string& name : {directory.path() + "/notify", "@xk-notify-" + std::to_string(::getpid())}) {
        CAPTURE(name);
        Manager manager(name);
        notify("READY=1");
        CHECK(manager.receive() == "READY=1");
        CHECK_FALSE(manager.received);
    }
}

TEST_CASE("a descriptor goes with a state into the service manager's store") {
    const TemporaryDirectory directory;
    Manager manager(directory.path() + "/notify");
    const Fd fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    notify("FDSTORE=1", fd.get());
    CHECK(manager.receive() == "FDSTORE=1");
    REQUIRE(manager.received);
    CHECK(manager.received.get() != fd.get());
}

TEST_CASE("without a socket that can be reached nothing is sent") {
    const TemporaryDirectory directory;
    Manager manager(directory.path() + "/n");
    for (const std::string& name : {std::string("/"), std::string("relative"), std::string(200, '/')}) {
        ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
        notify("READY=1");
    }
    ::unsetenv("NOTIFY_SOCKET");
    notify("READY=1");
    CHECK(manager.receive().empty());
}

TEST_CASE("a kept descriptor is found by its name, and the others are closed") {
    const Inherited inherited;
    {
        const Listed listed(::getpid(), "2", "other:nft");
        const Fd kept = kept_descriptor("nft");
        CHECK(kept.get() == 4);
        CHECK(::fcntl(4, F_GETFD) == FD_CLOEXEC);
        CHECK_FALSE(is_open(3));
        CHECK(std::getenv("LISTEN_FDS") == nullptr); // children must not take them for theirs
        CHECK(std::getenv("LISTEN_PID") == nullptr);
        CHECK(std::getenv("LISTEN_FDNAMES") == nullptr);
    }
    CHECK_FALSE(is_open(4));
}

TEST_CASE("of two descriptors with the name the first is kept, and only as many as there are count") {
    {
        const Inherited inherited;
        const Listed listed(::getpid(), "2", "nft:nft");
        CHECK(kept_descriptor("nft").get() == 3);
        CHECK_FALSE(is_open(4));
    }
    const Inherited inherited;
    const Listed listed(::getpid(), "1", "other:nft");
    CHECK_FALSE(kept_descriptor("nft"));
    CHECK(is_open(4)); // it is not the service manager's
}

TEST_CASE("descriptors of another process, or without names, are left alone") {
    const Inherited inherited;
    {
        const Listed listed(::getppid(), "2", "nft:other");
        CHECK_FALSE(kept_descriptor("nft"));
    }
    for (const char* missing : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) {
        const Listed listed(::getpid(), "2", "nft:other");
        ::unsetenv(missing);
        CHECK_FALSE(kept_descriptor("nft"));
    }
    CHECK(is_open(3));
    CHECK(is_open(4));
}
