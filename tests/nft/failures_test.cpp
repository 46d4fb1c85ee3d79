// SPDX-License-Identifier: MIT
//
// System calls that fail under the netlink sockets: each is an error that says what was done, and nothing counts as
// done or as an empty list because of it.
#include "tests/unit/recording/failing_calls.h"

#include "daemon/nft/ban_sets.h"
#include "daemon/nft/ended.h"
#include "daemon/nft/objects.h"
#include "daemon/nft/sessions.h"
#include "daemon/nft/sockets.h"
#include "daemon/nft/watch.h"
#include "tests/nft/fixtures.h"

#include <doctest/doctest.h>

#include <fcntl.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

using namespace xk;
using namespace xk::nft;
using namespace xk::test;

namespace {

FailingCall option(int name) { return {SYS_setsockopt, EPERM, {{2, static_cast<std::uint32_t>(name)}}}; }
const FailingCall kSend{SYS_sendto, ENOBUFS}, kReceive{SYS_recvmsg, EAGAIN};

// What `act` says in a thread in which the call fails.
template <typename Act>
std::string error_of(const FailingCall& call, Act act) {
    std::string text;
    with_failing_call(call, [&] {
        const auto result = act();
        text = result ? "fine" : result.error().message;
    });
    return text;
}
bool says(const std::string& text, const std::string& what) { return text.starts_with(what + ": "); }

} // namespace

TEST_CASE("a netlink socket that cannot be opened is an error") {
    enter_new_namespace();
    const auto nf_tables = [] { return Socket::open_nf_tables(); };
    CHECK(says(error_of({SYS_socket, EPROTONOSUPPORT}, nf_tables), "opening a netfilter netlink socket"));
    CHECK(says(error_of({SYS_bind, EPERM}, nf_tables), "binding a netfilter netlink socket"));
    CHECK(says(error_of(option(SO_SNDBUFFORCE), nf_tables), "enlarging netlink buffers"));
    CHECK(says(error_of(option(SO_RCVBUFFORCE), nf_tables), "enlarging netlink buffers"));
    CHECK(says(error_of(option(SO_RCVTIMEO), nf_tables), "setting a netlink time limit"));
    const auto watch = [] { return Watch::open_watch("xknock", 1); };
    CHECK(says(error_of({SYS_socket, EPROTONOSUPPORT}, watch), "opening a netfilter netlink socket"));
    CHECK(says(error_of({SYS_bind, EPERM}, watch), "listening for changes of nf_tables"));
    CHECK(says(error_of(option(NETLINK_ADD_MEMBERSHIP), watch), "listening for changes of nf_tables"));
    CHECK(error_of(option(SO_RCVBUFFORCE), watch) == "fine");
    const auto sockets = [] { return Sockets::open_sock_diag(); };
    CHECK(says(error_of({SYS_socket, EPROTONOSUPPORT}, sockets), "opening a sock_diag netlink socket"));
    CHECK(says(error_of({SYS_bind, EPERM}, sockets), "binding a sock_diag netlink socket"));
    CHECK(says(error_of(option(SO_RCVTIMEO), sockets), "binding a sock_diag netlink socket"));
    CHECK(says(error_of(kSend, sockets), "requesting sockets"));
    CHECK(says(error_of(kReceive, sockets), "waiting for sockets"));
    CHECK(says(error_of({SYS_socket, EPROTONOSUPPORT}, [] { return Sessions::open_conntrack(); }),
               "opening connection tracking"));
}

TEST_CASE("no list counts as empty because it could not be read") {
    Socket socket = socket_in_new_namespace();
    install(socket, plain_spec());
    for (const auto& [call, text] :
         {std::pair(kSend, "sending to nf_tables"), std::pair(kReceive, "waiting for an nf_tables dump")}) {
        const std::string what = text;
        CAPTURE(what);
        const auto in = [&](const std::string& context) { return (context.empty() ? "" : context + ": ") + what; };
        CHECK(says(error_of(call, [&] { return table_exists(socket, kTable); }), in("")));
        CHECK(says(error_of(call, [&] { return list_sets(socket, kTable); }), in("")));
        CHECK(says(error_of(call, [&] { return list_chains(socket, kTable); }), in("")));
        CHECK(says(error_of(call,
                            [&] {
                                return list_elements(socket, {kTable, "grants4"});
                            }),
                   in("listing set grants4")));
        CHECK(says(error_of(call, [&] { return read_bans(socket, BootTime{}); }), in("listing set banned4")));
        CHECK(says(error_of(call, [&] { return list_ended(socket); }), in("listing set ended4")));
        CHECK(says(error_of(call, [&] { return list_flows(socket); }), in("listing set flows4")));
        CHECK(says(error_of(call, [&] { return ruleset_exists(socket); }), in("looking for table inet xknock")));
        CHECK(says(error_of(call, [&] { return install_ruleset(socket, plain_spec()); }),
                   in("reading table inet xknock")));
        CHECK(says(error_of(call, [&] { return check_external_set(socket, {kTable, "grants4"}, true); }), in("")));
    }
    const auto sessions = Sessions::open_conntrack().value();
    const auto find = [&] { return sessions->find_sessions([](const Session&) { return true; }); };
    for (const int code : {ENOMEM, EILSEQ}) // EILSEQ: a change interrupted it, each time
        CHECK(says(error_of({SYS_recvfrom, code}, find), "reading connection tracking"));
    CHECK(find().has_value());
    const auto sockets = Sockets::open_sock_diag().value();
    CHECK(says(error_of(kSend, [&] { return sockets->list_sockets(); }), "requesting sockets"));
    CHECK(says(error_of(kReceive, [&] { return sockets->list_sockets(); }), "waiting for sockets"));
    CHECK(says(error_of(kSend, [&] { return sockets->end_socket({}); }), "requesting sockets"));
    CHECK(says(error_of(kReceive, [&] { return sockets->end_socket({}); }), "waiting for sockets"));
    CHECK(sockets->list_sockets().has_value());
}

TEST_CASE("a transaction that was not sent, or not answered, is an error, and the next one is answered by its own") {
    Socket socket = socket_in_new_namespace();
    install(socket, plain_spec());
    const auto put = [&](const char* who) {
        return [&socket, who] {
            Element element;
            element.key = grant_key(address(who), endpoint("tcp/22"));
            element.timeout = std::chrono::seconds(60);
            Transaction t;
            put_element(t, {kTable, "grants4"}, element);
            return socket.commit(std::move(t));
        };
    };
    const auto count = [&] { return list_elements(socket, {kTable, "grants4"}).value().size(); };
    CHECK(says(error_of(kSend, put("192.0.2.1")), "sending to nf_tables"));
    CHECK(count() == 0);
    CHECK(says(error_of(kReceive, put("192.0.2.2")),
               "nf_tables did not answer, and may have done the transaction or not"));
    CHECK(count() == 1); // it was done
    // The answer that nobody read is not the next one's.
    const auto refused = [&] {
        Element element;
        element.key = {1};
        Transaction t;
        add_element(t, {kTable, "grants4"}, element);
        return socket.commit(std::move(t));
    };
    CHECK(says(error_of(kReceive, put("192.0.2.3")),
               "nf_tables did not answer, and may have done the transaction or not"));
    CHECK_FALSE(refused().has_value());
    CHECK(says(error_of(kReceive, refused), "nf_tables did not answer, and may have done the transaction or not"));
    CHECK(put("192.0.2.4")().has_value());
    CHECK(count() == 3);
    CHECK(says(error_of(kSend, [&] { return remove_ruleset(socket); }),
               "removing table inet xknock: sending to nf_tables"));
    CHECK(ruleset_exists(socket).value());
}

TEST_CASE("only a netfilter netlink socket of an earlier process is taken over") {
    enter_new_namespace();
    CHECK_FALSE(Socket::adopt(Fd()));
    CHECK_FALSE(Socket::adopt(Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC))));
    CHECK_FALSE(Socket::adopt(Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0))));
    CHECK_FALSE(Socket::adopt(Fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE))));
    Socket earlier = Socket::open_nf_tables().value();
    const std::uint32_t port = earlier.port();
    const int fd = ::dup(earlier.fd());
    auto adopted = Socket::adopt(Fd(fd));
    REQUIRE(adopted);
    CHECK(adopted->fd() == fd);
    CHECK(adopted->port() == port);
    CHECK_FALSE(ruleset_exists(*adopted).value());
    for (const int name : {SO_DOMAIN, SO_PROTOCOL}) {
        bool taken = true;
        with_failing_call({SYS_getsockopt, ENOPROTOOPT, {{2, static_cast<std::uint32_t>(name)}}},
                          [&] { taken = Socket::adopt(Fd(::dup(earlier.fd()))).has_value(); });
        CHECK_FALSE(taken);
    }
}

TEST_CASE("an error of the socket is no end of the reports of changes") {
    enter_new_namespace();
    Watch watch = Watch::open_watch(kTable, 1).value();
    CHECK(says(error_of({SYS_recvfrom, EIO}, [&] { return watch.read_changes(); }),
               "listening for changes of nf_tables"));
    CHECK_FALSE(watch.read_changes().value());
}
