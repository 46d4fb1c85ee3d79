// SPDX-License-Identifier: MIT
// Ended sessions against the real kernel: what is written is found again, and neither end is left in doubt.
#include "daemon/nft/ended.h"
#include "daemon/nft/ruleset.h"
#include "daemon/nft/sessions.h"
#include "daemon/nft/sockets.h"

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

using namespace xk;
using namespace xk::nft;

namespace {

const Address kUs = Address::v4(192, 0, 2, 1), kThem = Address::v4(192, 0, 2, 2);

int run(const std::string& command) { return std::system(command.c_str()); }

Socket open_in_new_namespace() {
    REQUIRE_MESSAGE(::unshare(CLONE_NEWNET) == 0, "needs root");
    REQUIRE(run("ip link set lo up") == 0); // a reset for a socket of ours comes that way
    return Socket::open_nf_tables().value();
}

RulesetSpec spec(bool resets) {
    RulesetSpec s;
    ProtectedPort guard;
    guard.ports = PortRange::parse("tcp/22").value();
    s.protected_ports = {guard};
    s.resets = resets;
    return s;
}

sockaddr_in at(const Address& address, std::uint16_t port) {
    sockaddr_storage storage{};
    address.to_sockaddr(storage, port);
    sockaddr_in out{};
    std::memcpy(&out, &storage, sizeof out);
    return out;
}

// The other host: a namespace of a child's, which connects to us and echoes until its end hangs up.
class OtherHost {
  public:
    OtherHost() {
        int ready[2], go[2], end[2];
        REQUIRE((::pipe(ready) == 0 && ::pipe(go) == 0 && ::pipe(end) == 0));
        pid_ = ::fork();
        if (pid_ == 0) {
            char byte = 0;
            if (::unshare(CLONE_NEWNET) != 0 || ::write(ready[1], "r", 1) != 1 || ::read(go[0], &byte, 1) != 1 ||
                run("ip addr add 192.0.2.2/24 dev there && ip link set there up") != 0)
                ::_exit(1);
            const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
            const sockaddr_in own = at(kThem, 40000), other = at(kUs, 22);
            if (::bind(fd, reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0 ||
                ::connect(fd, reinterpret_cast<const sockaddr*>(&other), sizeof other) != 0)
                ::_exit(2);
            while (::read(fd, &byte, 1) == 1)
                (void)!::write(fd, &byte, 1);
            (void)!::write(end[1], "e", 1);
            ::_exit(0);
        }
        char byte = 0;
        REQUIRE(::read(ready[0], &byte, 1) == 1);
        REQUIRE(run("ip link add here type veth peer name there netns " + std::to_string(pid_) +
                    " && ip addr add 192.0.2.1/24 dev here && ip link set here up") == 0);
        go_ = go[1];
        end_ = end[0];
    }
    ~OtherHost() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    void connect() const { REQUIRE(::write(go_, "g", 1) == 1); }
    bool has_ended() const {
        pollfd end{end_, POLLIN, 0};
        return ::poll(&end, 1, 5000) == 1;
    }

  private:
    pid_t pid_;
    int go_, end_;
};

// A session of ours with the other host, which connection tracking knows.
int accept_from(const OtherHost& other) {
    const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
    const sockaddr_in own = at(kUs, 22);
    REQUIRE(::bind(listener, reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0);
    REQUIRE(::listen(listener, 1) == 0);
    other.connect();
    const int fd = ::accept(listener, nullptr, nullptr);
    REQUIRE(fd >= 0);
    ::close(listener);
    return fd;
}

bool answers(int fd) {
    char byte = 'x';
    pollfd input{fd, POLLIN, 0};
    return ::send(fd, &byte, 1, MSG_NOSIGNAL) == 1 && ::poll(&input, 1, 3000) == 1 && ::recv(fd, &byte, 1, 0) == 1;
}

const EndedSession kSession{{IpProtocol::tcp, kThem, kUs, 40000, 22}, {IpProtocol::tcp, kUs, kThem, 22, 40000}};

} // namespace

TEST_CASE("ended sessions are read back as they were written, and nobody else's elements are") {
    Socket socket = open_in_new_namespace();
    REQUIRE(install_ruleset(socket, spec(true)));
    const Address six = Address::parse("2001:db8::2").value(), other = Address::parse("2001:db8::1").value();
    // Translated on the way: the other direction is not the first one's reverse.
    const EndedSession both[] = {
        kSession, {{IpProtocol::udp, six, other, 51820, 51820}, {IpProtocol::udp, other, six, 52, 51820}}};
    for (int twice = 0; twice < 2; ++twice) {
        Transaction t;
        for (const EndedSession& session : both)
            put_ended(t, session);
        REQUIRE(socket.commit(std::move(t)));
    }
    REQUIRE(run("nft add element inet xknock ended4 '{ 192.0.2.7 . 192.0.2.1 . tcp . 1 . 22 }'") == 0);
    auto found = list_ended(socket).value();
    REQUIRE(found.size() == 2);
    CHECK(found[0] == both[0]);
    CHECK(found[1] == both[1]);
    REQUIRE(install_ruleset(socket, spec(true)));
    CHECK(list_ended(socket).value().size() == 2);
    Transaction t;
    remove_ended(t, both[1]);
    remove_ended(t, both[1]); // there or not
    REQUIRE(socket.commit(std::move(t)));
    CHECK(list_ended(socket).value() == std::vector<EndedSession>{both[0]});
}

TEST_CASE("flows of both families are listed, and one is removed alone") {
    Socket socket = open_in_new_namespace();
    REQUIRE(install_ruleset(socket, spec(true)));
    CHECK(list_flows(socket).value().empty());
    REQUIRE(run("nft add element inet xknock flows4 '{ 192.0.2.2 . 192.0.2.1 . tcp . 40000 . 22 }' &&"
                "nft add element inet xknock flows6 '{ 2001:db8::2 . 2001:db8::1 . udp . 5000 . 53 }'") == 0);
    const auto flows = list_flows(socket).value();
    const Address six = Address::parse("2001:db8::2").value(), other = Address::parse("2001:db8::1").value();
    CHECK(flows ==
          std::vector<Tuple>{{IpProtocol::tcp, kThem, kUs, 40000, 22}, {IpProtocol::udp, six, other, 5000, 53}});
    Transaction t;
    remove_flow(t, flows.at(0));
    remove_flow(t, flows.at(0)); // there or not
    REQUIRE(socket.commit(std::move(t)));
    CHECK(list_flows(socket).value() == std::vector<Tuple>{flows.at(1)});
}

TEST_CASE("where the kernel cannot end a socket, the next packet of either end ends it for both") {
    Socket socket = open_in_new_namespace();
    REQUIRE(can_reset(socket));
    const OtherHost other;
    // Conntrack is there from the first packet on; the port is open, as it is to whoever has a grant.
    RulesetSpec open = spec(true);
    open.protected_ports.clear();
    REQUIRE(install_ruleset(socket, open));
    const int fd = accept_from(other);
    REQUIRE(answers(fd));
    const auto sessions = Sessions::open_conntrack().value();
    const auto found = sessions->find_sessions([](const Session& s) { return s.there == kSession.there; }).value();
    REQUIRE(found.size() == 1);
    CHECK(found[0].back == kSession.back);
    REQUIRE(install_ruleset(socket, spec(true)));
    // To forget it is not enough: our next word revives it.
    REQUIRE(sessions->forget_sessions(found));
    CHECK(answers(fd));
    const auto again = sessions->find_sessions([](const Session& s) { return s.there == kSession.back; }).value();
    REQUIRE(again.size() == 1);
    Transaction t;
    put_ended(t, kSession);
    REQUIRE(socket.commit(std::move(t)));
    CHECK(answers(fd)); // it costs an established session nothing
    REQUIRE(sessions->forget_sessions(again));
    CHECK_FALSE(answers(fd));
    // Not only silent: it was reset.
    char byte = 0;
    const bool open_still = ::recv(fd, &byte, 1, MSG_DONTWAIT) == -1 && errno == EAGAIN;
    CHECK_FALSE(open_still);
    ::close(fd);
}

TEST_CASE("a socket that the kernel ends is over for both ends at once") {
    Socket socket = open_in_new_namespace();
    const OtherHost other;
    RulesetSpec open = spec(true);
    open.protected_ports.clear();
    REQUIRE(install_ruleset(socket, open));
    const int fd = accept_from(other);
    REQUIRE(answers(fd));
    const auto sockets = Sockets::open_sock_diag().value();
    REQUIRE(sockets->can_end());
    const auto list = sockets->list_sockets().value();
    REQUIRE(list.sockets.size() == 1);
    CHECK(list.sockets[0].session.there == kSession.there);
    CHECK(list.sockets[0].session.alive);
    CHECK(sockets->end_socket(list.sockets[0]).value());
    CHECK(other.has_ended());
    char byte = 0;
    CHECK(::recv(fd, &byte, 1, 0) == -1);
    CHECK(errno == ECONNABORTED);
    CHECK_FALSE(sockets->end_socket(list.sockets[0]).value()); // it is gone, and that is no error
    ::close(fd);
}
