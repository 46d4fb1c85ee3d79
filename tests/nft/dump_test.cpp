// SPDX-License-Identifier: MIT
// Lists of the real kernel, while somebody changes what is listed.
#include "daemon/nft/dump.h"

#include "tests/nft/fixtures.h"

#include <doctest/doctest.h>

#include <libnftnl/common.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <atomic>
#include <set>
#include <thread>

using namespace xk;
using namespace xk::nft;
using namespace xk::test;
using namespace std::chrono_literals;

namespace {

constexpr int kCrowd = 3000; // elements: a dozen datagrams

// Generation `first` of a set: its elements have this first byte, and those of the other generation are gone.
void put_generation(Socket& socket, std::uint8_t first) {
    const SetName set = plain_set(true, false).name;
    Transaction t;
    flush_set(t, set);
    for (int i = 0; i < kCrowd; ++i) {
        Element element;
        element.key = grant_key(Address::v4(first, 0, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)),
                                endpoint("tcp/22"));
        element.comment = "anna/laptop";
        add_element(t, set, element);
    }
    commit(socket, std::move(t));
}

// Requests our set by hand, so that the test can do something between two datagrams.
class SlowReader {
  public:
    SlowReader() : socket_(mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC)) {
        REQUIRE(mnl_socket_bind(socket_.get(), 0, MNL_SOCKET_AUTOPID) == 0);
        const Handle<nftnl_set, nftnl_set_free> set(nftnl_set_alloc());
        nftnl_set_set_str(set.get(), NFTNL_SET_TABLE, kTable);
        nftnl_set_set_str(set.get(), NFTNL_SET_NAME, "grants4");
        char request[4096];
        nlmsghdr* const h = nftnl_nlmsg_build_hdr(request, NFT_MSG_GETSETELEM, NFPROTO_INET, NLM_F_DUMP, 7);
        nftnl_set_elems_nlmsg_build_payload(h, set.get());
        REQUIRE(mnl_socket_sendto(socket_.get(), h, h->nlmsg_len) > 0);
    }
    Result<bool> read(Dump& dump) {
        const ssize_t n = mnl_socket_recvfrom(socket_.get(), buffer_, sizeof buffer_);
        REQUIRE(n > 0);
        return dump.add_datagram({buffer_, static_cast<std::size_t>(n)});
    }

  private:
    Handle<mnl_socket, mnl_socket_close> socket_;
    alignas(nlmsghdr) char buffer_[64 * 1024];
};

} // namespace

TEST_CASE("a list that is interrupted by a change of the set says so, and one that is not does not") {
    Socket socket = socket_in_new_namespace();
    install(socket, plain_spec());
    put_generation(socket, 1);
    for (const bool changed : {false, true}) {
        CAPTURE(changed);
        SlowReader reader;
        Dump dump(7);
        REQUIRE_FALSE(reader.read(dump).value()); // there is more
        if (changed)
            put_generation(socket, 2);
        while (!reader.read(dump).value()) {
        }
        CHECK(dump.was_interrupted() == changed);
    }
}

TEST_CASE("a list of a set that changes meanwhile never mixes two states") {
    Socket socket = socket_in_new_namespace();
    install(socket, plain_spec());
    put_generation(socket, 1);
    std::atomic<bool> over = false;
    std::atomic<int> generations = 0, lists = 0;
    // In the same namespace. It changes the set at any moment of the next list, and then leaves time for a whole one,
    // however long that takes.
    std::thread other([&] {
        Socket own = Socket::open_nf_tables().value();
        while (!over) {
            const int before = lists;
            put_generation(own, static_cast<std::uint8_t>(1 + ++generations % 2));
            while (!over && lists == before)
                std::this_thread::sleep_for(100us);
            std::this_thread::sleep_for(std::chrono::microseconds(500 * (generations % 16)));
        }
    });
    while (lists < 100 || generations < 10) {
        const auto elements = list_elements(socket, plain_set(true, false).name);
        CHECK_MESSAGE(elements.has_value(), elements.error().message);
        if (!elements)
            break;
        ++lists;
        std::set<std::uint8_t> seen;
        for (const Element& element : *elements)
            seen.insert(element.key[0]);
        // Not how many there are: the kernel frees the elements of the last generation after the transaction, and its
        // walk over a hash table that shrinks meanwhile leaves some out or meets them twice.
        CHECK(seen.size() == 1);
    }
    over = true;
    other.join();
}

TEST_CASE("a set or table that does not exist is an empty list, and a socket of a dry run lists nothing and does all") {
    Socket socket = socket_in_new_namespace();
    CHECK(list_elements(socket, {"xknock", "grants4"}).value().empty());
    install(socket, plain_spec());
    CHECK(list_elements(socket, {"xknock", "no_such_set"}).value().empty());
    CHECK(list_elements(socket, {"no_such_table", "grants4"}).value().empty());
    Socket dry = Socket::dry();
    CHECK(dry.fd() == -1);
    CHECK(dry.port() == 0);
    CHECK_FALSE(ruleset_exists(dry).value());
    CHECK(remove_ruleset(dry));
    CHECK(ruleset_exists(socket).value());
}

TEST_CASE("without the right to it a list is refused, and the hint names the right") {
    Socket socket = socket_in_new_namespace();
    install(socket, plain_spec());
    CHECK(run_without_rights([&] {
              return text_of(list_elements(socket, {"xknock", "grants4"}));
          }) ==
          "listing set grants4: nf_tables refused a dump: Operation not permitted (xknockd needs CAP_NET_ADMIN and a "
          "kernel with nf_tables)");
    CHECK(run_without_rights([&] {
              Transaction t;
              flush_set(t, {"xknock", "grants4"});
              return text_of(socket.commit(std::move(t)));
          }) ==
          "nf_tables refused a transaction: Operation not permitted (xknockd needs CAP_NET_ADMIN and a kernel with "
          "nf_tables)");
    CHECK(run_without_rights([&] { return text_of(Socket::open_nf_tables()); }).find("CAP_NET_ADMIN") !=
          std::string::npos);
}
