// SPDX-License-Identifier: MIT
//
// The server against real clients in other processes, with other users and groups.
#include "daemon/control/frame.h"
#include "daemon/control/server.h"
#include "tests/unit/recording/directory.h"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <functional>
#include <mutex>
#include <set>
#include <thread>

using namespace xk;
using namespace xk::control;

namespace {

constexpr gid_t kAdmins = 62010, kReaders = 62011;

// A server in a thread, with the daemon's loop in small.
class Running {
  public:
    explicit Running(Server::Handler handler = [](const Peer& peer, const std::string& request) {
        return std::string(peer.role == Role::admin ? "admin:" : "reader:") + request;
    }) {
        ::chmod(directory_.path().c_str(), 0755);
        auto server = Server::listen_at(path(), {kAdmins, kReaders}, std::move(handler));
        REQUIRE_MESSAGE(server.has_value(), (server ? "" : server.error().message));
        server_.emplace(*std::move(server));
        thread_ = std::thread([this] { loop(); });
    }
    ~Running() {
        stop_ = true;
        thread_.join();
    }
    std::string path() const { return directory_.path() + "/control.sock"; }
    bool set_groups(Groups groups) {
        const std::lock_guard turn(turn_);
        return server_->set_groups(groups).has_value();
    }

  private:
    void loop() {
        std::set<int> watched;
        while (!stop_) {
            std::vector<pollfd> fds = {{server_->listen_fd(), POLLIN, 0}};
            for (const int fd : watched)
                fds.push_back({fd, static_cast<short>(POLLIN | (server_->wants_write(fd) ? POLLOUT : 0)), 0});
            ::poll(fds.data(), fds.size(), 20);
            const std::lock_guard turn(turn_);
            const auto watch = [&](int fd) { watched.insert(fd); };
            for (std::size_t i = 1; i < fds.size(); ++i)
                if (fds[i].revents != 0 && !server_->serve_client(fds[i].fd)) {
                    watched.erase(fds[i].fd);
                    server_->admit_waiting(watch);
                }
            if (fds[0].revents != 0)
                (void)server_->accept_clients(watch);
        }
    }

    test::TemporaryDirectory directory_;
    std::optional<Server> server_;
    std::atomic<bool> stop_{false};
    std::mutex turn_;
    std::thread thread_;
};

Fd connected(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval patience{5, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    REQUIRE(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    return fd;
}

// The kernel takes down who connects at that moment. Only this thread is somebody else meanwhile.
Fd connected_as_reader(const std::string& path) {
    REQUIRE(::syscall(SYS_setresgid, -1, kReaders, -1) == 0);
    REQUIRE(::syscall(SYS_setresuid, -1, 62020, -1) == 0);
    Fd fd = connected(path);
    REQUIRE(::syscall(SYS_setresuid, -1, 0, -1) == 0);
    REQUIRE(::syscall(SYS_setresgid, -1, 0, -1) == 0);
    return fd;
}

void send_to(const Fd& fd, const std::string& bytes) {
    REQUIRE(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
}

std::string all_from(const Fd& fd) {
    std::string text;
    char chunk[4096];
    for (ssize_t n; (n = ::recv(fd.get(), chunk, sizeof chunk, 0)) > 0;)
        text.append(chunk, static_cast<std::size_t>(n));
    return text;
}

// Of this process, as pam_loginuid(8) does it; where there is no audit in the kernel nothing comes of it.
constexpr uid_t kLogin = 62077;
void log_in_as(uid_t uid) {
    const Fd file(::open("/proc/self/loginuid", O_WRONLY | O_CLOEXEC));
    const std::string text = std::to_string(uid);
    (void)!::write(file.get(), text.data(), text.size());
}

bool has_login_uids() { return ::access("/proc/self/loginuid", F_OK) == 0; }

// The answer that a process of this user and these groups gets.
std::string answer_as(const std::string& path, uid_t uid, gid_t gid, const std::vector<gid_t>& groups) {
    int out[2];
    REQUIRE(::pipe(out) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        log_in_as(kLogin);
        if (::setgroups(groups.size(), groups.data()) != 0 || ::setgid(gid) != 0 || ::setuid(uid) != 0)
            ::_exit(1);
        const auto answer = send_request(path, "x");
        const std::string text = answer ? *answer : "error: " + answer.error().message;
        (void)!::write(out[1], text.data(), text.size());
        ::_exit(0);
    }
    ::close(out[1]);
    std::string text;
    char chunk[4096];
    for (ssize_t n; (n = ::read(out[0], chunk, sizeof chunk)) > 0;)
        text.append(chunk, static_cast<std::size_t>(n));
    ::close(out[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    REQUIRE(status == 0);
    return text;
}

} // namespace

TEST_CASE("a frame is taken when it is whole and refused when it is too long") {
    std::string buffer = frame("abc") + frame("") + frame("de").substr(0, 5);
    CHECK(take_frame(buffer, 10).value() == "abc");
    CHECK(take_frame(buffer, 10).value() == "");
    CHECK_FALSE(take_frame(buffer, 10).value().has_value());
    buffer += "e";
    CHECK(take_frame(buffer, 10).value() == "de");
    CHECK(buffer.empty());
    buffer = frame("abcd");
    CHECK_FALSE(take_frame(buffer, 3).has_value());
    buffer = "\xff\xff\xff\xff";
    CHECK_FALSE(take_frame(buffer, kMaxReply).has_value());
}

TEST_CASE("the role comes from user and groups, also supplementary ones, and nobody else gets in") {
    const Running server;
    CHECK(answer_as(server.path(), 0, 0, {}) == "admin:x");
    CHECK(answer_as(server.path(), 62020, kAdmins, {}) == "admin:x");
    CHECK(answer_as(server.path(), 62020, 62020, {1, 2, kAdmins}) == "admin:x");
    CHECK(answer_as(server.path(), 62020, 62020, {kReaders}) == "reader:x");
    std::vector<gid_t> many(200);
    for (std::size_t i = 0; i < many.size(); ++i)
        many[i] = static_cast<gid_t>(70000 + i);
    CHECK(answer_as(server.path(), 62020, 62020, many).find("you may not talk") != std::string::npos);
    many.push_back(kReaders);
    CHECK(answer_as(server.path(), 62020, 62020, many) == "reader:x");
    CHECK(answer_as(server.path(), 65534, 65534, {}).find("you may not talk") != std::string::npos);
}

TEST_CASE("a user without a role cannot even connect, and root can without any capability") {
    const Running server;
    const auto connects = [&](uid_t uid, gid_t gid, bool capable) {
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            sockaddr_un address{};
            address.sun_family = AF_UNIX;
            std::memcpy(address.sun_path, server.path().c_str(), server.path().size());
            __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
            const __user_cap_data_struct none[2] = {};
            if (::setgroups(0, nullptr) != 0 || ::setgid(gid) != 0 || ::setuid(uid) != 0 ||
                (!capable && ::syscall(SYS_capset, &header, none) != 0))
                ::_exit(99);
            const Fd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
            const bool done = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
            ::_exit(done ? 0 : errno);
        }
        int status = 0;
        ::waitpid(child, &status, 0);
        return WEXITSTATUS(status);
    };
    CHECK(connects(65534, 65534, true) == EACCES);
    CHECK(connects(62020, kReaders, true) == 0);
    CHECK(connects(62020, kAdmins, true) == 0);
    CHECK(connects(0, 0, false) == 0);
}

TEST_CASE("new groups count at once, also for the right to connect") {
    Running server;
    CHECK(answer_as(server.path(), 62020, kReaders, {}) == "reader:x");
    REQUIRE(server.set_groups({kAdmins, std::nullopt}));
    CHECK(answer_as(server.path(), 62020, kReaders, {}).find("you may not talk") != std::string::npos);
    CHECK(answer_as(server.path(), 62020, kAdmins, {}) == "admin:x");
    REQUIRE(server.set_groups({kReaders, kReaders}));
    CHECK(answer_as(server.path(), 62020, kReaders, {}) == "admin:x");
}

TEST_CASE("a long reply is made in pieces, and others are served in between") {
    // The first client's never ends before the second one is served.
    std::atomic<bool> served = false;
    std::atomic<int> pieces = 0;
    const Running server([&](const Peer&, const std::string& request) -> Reply {
        if (request == "short") {
            served = true;
            return std::string("s");
        }
        return {"<", [&](std::string& json) {
                    ++pieces;
                    json += served ? ">" : ".";
                    return !served;
                }};
    });
    const Fd slow = connected(server.path());
    send_to(slow, frame("long"));
    while (pieces == 0)
        std::this_thread::yield();
    CHECK(send_request(server.path(), "short").value() == "s");
    const std::string all = all_from(slow);
    CHECK(all.size() == static_cast<std::size_t>(pieces) + 5);
    CHECK(all == frame("<" + std::string(static_cast<std::size_t>(pieces) - 1, '.') + ">"));
}

TEST_CASE("a request that comes byte by byte is answered, one that is cut is not and harms nobody") {
    const Running server;
    const Fd slow = connected(server.path());
    for (const char c : frame("slow"))
        REQUIRE(::send(slow.get(), &c, 1, 0) == 1);
    { // cut in the middle
        const Fd cut = connected(server.path());
        REQUIRE(::send(cut.get(), frame("cut").data(), 5, 0) == 5);
    }
    ::shutdown(slow.get(), SHUT_WR);
    CHECK(all_from(slow) == frame("admin:slow"));
    CHECK(send_request(server.path(), "x").value() == "admin:x");
}

TEST_CASE("a request that is too long is refused and the connection closed") {
    const Running server;
    for (const char* length : {"\xff\xff\xff\xff", "\x00\x01\x00\x01"}) {
        const Fd fd = connected(server.path());
        REQUIRE(::send(fd.get(), length, 4, 0) == 4);
        CHECK(all_from(fd).find("the request is too long") != std::string::npos);
    }
    CHECK(send_request(server.path(), std::string(kMaxRequest, 'x')).value().size() == kMaxRequest + 6);
    CHECK_FALSE(send_request(server.path(), std::string(kMaxRequest + 1, 'x')).has_value());
}

TEST_CASE("a connection carries one request, and ends with its answer") {
    const Running server;
    const Fd fd = connected(server.path());
    const std::string both = frame("a") + frame("b");
    REQUIRE(::send(fd.get(), both.data(), both.size(), 0) == static_cast<ssize_t>(both.size()));
    CHECK(all_from(fd) == frame("admin:a"));
}

TEST_CASE("a client that does not read its large reply does not hold up another") {
    const Running server([](const Peer&, const std::string&) { return std::string(8 * 1024 * 1024, 'x'); });
    const Fd lazy = connected(server.path());
    const std::string request = frame("x");
    REQUIRE(::send(lazy.get(), request.data(), request.size(), 0) > 0);
    CHECK(send_request(server.path(), "x").value().size() == 8 * 1024 * 1024);
}

TEST_CASE("a client without a place waits for one") {
    const Running server;
    std::vector<Fd> clients;
    for (std::size_t i = 0; i < Server::kMaxClients; ++i)
        clients.push_back(connected(server.path()));
    std::vector<Fd> waiting;
    for (int i = 0; i < 150; ++i) {
        waiting.push_back(connected(server.path()));
        send_to(waiting.back(), frame("x"));
    }
    clients.clear();
    for (const Fd& fd : waiting)
        CHECK(all_from(fd) == frame("admin:x"));
}

TEST_CASE("readers cannot take all places: an admin gets one") {
    const Running server;
    std::vector<Fd> readers;
    for (std::size_t i = 0; i < Server::kMaxReaders; ++i)
        readers.push_back(connected_as_reader(server.path()));
    const Fd one_more = connected_as_reader(server.path());
    send_to(one_more, frame("x"));
    CHECK(send_request(server.path(), "x").value() == "admin:x");
    char byte = 0;
    CHECK(::recv(one_more.get(), &byte, 1, MSG_DONTWAIT) < 0); // it came before, and waits
    readers.pop_back();
    CHECK(all_from(one_more) == frame("reader:x"));
    for (std::size_t i = 0; i <= Server::kMaxWaitingReaders; ++i)
        readers.push_back(connected_as_reader(server.path()));
    CHECK(all_from(connected_as_reader(server.path())) == frame(std::string(kTooMany)));
    CHECK(send_request(server.path(), "x").value() == "admin:x");
}

TEST_CASE("clients beyond those who may wait are refused, and try again") {
    const Running server;
    std::vector<Fd> clients;
    for (std::size_t i = 0; i < Server::kMaxClients + Server::kMaxWaiting; ++i)
        clients.push_back(connected(server.path()));
    CHECK(all_from(connected(server.path())) == frame(std::string(kTooMany)));
    std::thread patient([&] { CHECK(send_request(server.path(), "x").value() == "admin:x"); });
    CHECK(all_from(connected(server.path())) == frame(std::string(kTooMany)));
    clients.clear();
    patient.join();
}

TEST_CASE("where no daemon listens the error has a hint") {
    const auto answer = send_request("/tmp/xk-no-such-socket", "x");
    REQUIRE_FALSE(answer);
    CHECK(answer.error().hint.find("is xknockd running?") != std::string::npos);
}

TEST_CASE("the handler knows the peer's user, process and login uid") {
    const Running server([](const Peer& peer, const std::string&) {
        return std::to_string(peer.uid) + " " + std::to_string(::kill(peer.pid, 0)) + " " +
               (peer.login_uid ? std::to_string(*peer.login_uid) : "nobody");
    });
    const std::string login = has_login_uids() ? std::to_string(kLogin) : "nobody";
    CHECK(answer_as(server.path(), 0, 0, {}) == "0 0 " + login);
    CHECK(answer_as(server.path(), 62020, kAdmins, {}) == "62020 0 " + login);
    CHECK(answer_as(server.path(), 62020, kReaders, {}) == "62020 0 nobody"); // they change nothing
}

TEST_CASE("a login uid is a valid uid, or there is none") {
    CHECK(parse_login_uid("1000") == 1000u);
    CHECK(parse_login_uid("0\n") == 0u);
    CHECK(parse_login_uid("4294967294") == 4294967294u);
    for (const char* none : {"4294967295", "", "\n", "-1", "x", "1000x", "1000 ", "99999999999", "0x10"})
        CHECK(!parse_login_uid(none));
}

TEST_CASE("the name of a user is that of passwd(5), and nothing else is asked") {
    CHECK(find_user_name(0) == "root");
    const test::TemporaryDirectory directory;
    const std::string file = directory.path() + "/passwd";
    std::ofstream(file) << "root:x:0:0::/root:/bin/sh\nan\xffna:x:1000:1000::/:/bin/sh\nb:x:1000:1::/:\nbroken\n";
    CHECK(find_user_name(1000, file.c_str()) == "an\\xffna");
    CHECK(find_user_name(1, file.c_str()).empty());
    CHECK(find_user_name(0, (directory.path() + "/none").c_str()).empty());
}

TEST_CASE("where no descriptor is left the server says so, and the client that waits is served when there is one") {
    const test::TemporaryDirectory directory;
    auto server = Server::listen_at(directory.path() + "/control.sock", {kAdmins, kReaders},
                                    [](const Peer&, const std::string&) { return std::string("{}"); });
    REQUIRE(server);
    const Fd client = connected(directory.path() + "/control.sock");
    std::vector<int> watched;
    const auto watch = [&](int fd) { watched.push_back(fd); };
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const int next = ::dup(STDERR_FILENO); // the lowest that is free
    ::close(next);
    const rlimit none{static_cast<rlim_t>(next), before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    const auto done = server->accept_clients(watch);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    REQUIRE_FALSE(done);
    CHECK(done.error().message == "accepting a client of the control socket: Too many open files");
    CHECK(watched.empty());
    REQUIRE(server->accept_clients(watch));
    CHECK(watched.size() == 1);
    CHECK(server->accept_clients(watch));                   // nobody else waits
    CHECK_FALSE(server->serve_client(server->listen_fd())); // which is no client's
}
