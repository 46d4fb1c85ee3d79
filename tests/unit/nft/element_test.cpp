// SPDX-License-Identifier: MIT
// Elements as they are written into netlink messages and read back, and transactions as sequences of messages.
#include "daemon/nft/element.h"

#include "daemon/nft/ban_sets.h"
#include "daemon/nft/ended.h"
#include "daemon/nft/ruleset.h"

#include <doctest/doctest.h>

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace xk;
using namespace xk::nft;
using namespace std::chrono_literals;

namespace {

Address address(const char* text) { return Address::parse(text).value(); }
Prefix network(const char* text) { return Prefix::parse(text).value(); }

struct Message {
    bool adds; // or deletes
    ElementList list;
};

std::vector<Message> messages_of(const Transaction& transaction) {
    std::vector<Message> all;
    transaction.for_each_message([&](const nlmsghdr* h) {
        CHECK((h->nlmsg_type >> 8) == NFNL_SUBSYS_NFTABLES);
        all.push_back({(h->nlmsg_type & 0xff) == NFT_MSG_NEWSETELEM, parse_elements(h).value()});
    });
    return all;
}

Element element(std::size_t comment = 3, std::size_t data = 3) {
    Element e;
    e.key = address_key(Address::v4(192, 0, 2, 7));
    e.timeout = 90s;
    e.comment = std::string(comment, 'c');
    e.data.assign(data, 7);
    return e;
}

const SetName kSet{"table", "set"};

} // namespace

TEST_CASE("an element is read back as it was written") {
    Transaction t;
    CHECK(t.empty());
    add_element(t, kSet, element());
    CHECK_FALSE(t.empty());
    CHECK(t.size() == 1);
    const auto messages = messages_of(t);
    REQUIRE(messages.size() == 1);
    CHECK(messages[0].adds);
    CHECK(messages[0].list.set == kSet);
    REQUIRE(messages[0].list.elements.size() == 1);
    const Element& read = messages[0].list.elements[0];
    CHECK(read.key == element().key);
    CHECK(read.timeout == 90s);
    CHECK(read.comment == "ccc");
    CHECK(read.data == std::vector<std::uint8_t>{7, 7, 7});
    CHECK_FALSE(read.interval_end);
}

TEST_CASE("comment and data fit the kernel's user data: a longer comment is cut, longer data is left out") {
    for (const std::size_t comment : {std::size_t{0}, std::size_t{1}, kMaxComment - 1, kMaxComment, kMaxComment + 1}) {
        Transaction t;
        add_element(t, kSet, element(comment, kMaxData));
        const Element read = messages_of(t).at(0).list.elements.at(0);
        CHECK(read.comment == std::string(std::min(comment, kMaxComment), 'c'));
        CHECK(read.data.size() == kMaxData);
    }
    Transaction t;
    add_element(t, kSet, element(3, kMaxData + 1));
    const Element read = messages_of(t).at(0).list.elements.at(0);
    CHECK(read.data.empty());
    CHECK(read.comment == "ccc");
}

TEST_CASE("to put is to add, delete and add again, and to remove is to add and delete; what stays by mistake ends") {
    Transaction t;
    put_element(t, kSet, element());
    const auto put = messages_of(t);
    REQUIRE(put.size() == 3);
    CHECK(put[0].adds);
    CHECK(put[0].list.elements.at(0).timeout == 1s);
    CHECK_FALSE(put[1].adds);
    CHECK_FALSE(put[1].list.elements.at(0).timeout);
    CHECK(put[1].list.elements.at(0).comment.empty());
    CHECK(put[2].adds);
    CHECK(put[2].list.elements.at(0).timeout == 90s);
    Transaction removal;
    remove_element(removal, kSet, element().key);
    const auto removed = messages_of(removal);
    REQUIRE(removed.size() == 2);
    CHECK(removed[0].adds);
    CHECK_FALSE(removed[1].adds);
    CHECK(removed[1].list.elements.at(0).key == element().key);
}

TEST_CASE("a transaction grows with its messages and keeps their order") {
    Transaction t;
    for (int i = 0; i < 5000; ++i) {
        Element e = element(kMaxComment, kMaxData);
        e.key = {10, 0, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)};
        add_element(t, kSet, e);
    }
    CHECK(t.size() == 5000);
    int i = 0;
    for (const Message& message : messages_of(t)) {
        CHECK(message.list.elements.at(0).key ==
              std::vector<std::uint8_t>{10, 0, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)});
        ++i;
    }
    CHECK(i == 5000);
}

TEST_CASE("keys of addresses have 4 or 16 bytes") {
    CHECK(parse_address_key({192, 0, 2, 7}) == address("192.0.2.7"));
    CHECK(parse_address_key(address_key(address("2001:db8::7"))) == address("2001:db8::7"));
    for (const std::size_t size : {std::size_t{0}, std::size_t{3}, std::size_t{5}, std::size_t{15}, std::size_t{17}})
        CHECK_FALSE(parse_address_key(std::vector<std::uint8_t>(size, 1)));
}

TEST_CASE("banned networks are intervals: inner ones are left out, and the last one of all addresses has no end") {
    const BootTime now(1000s);
    Transaction t;
    write_banned_networks(t, {{network("10.0.0.0/8"), "a \"quoted\" reason", now},
                              {network("10.1.0.0/16"), "inner", {}},
                              {network("192.0.2.0/24"), "", {}},
                              {network("255.0.0.0/8"), "", {}},
                              {network("2001:db8:ffff:ffff::/64"), "", {}}});
    std::vector<std::string> seen;
    for (const Message& message : messages_of(t))
        for (const Element& e : message.list.elements)
            seen.push_back(message.list.set.set + " " + parse_address_key(e.key)->text() +
                           (e.interval_end ? " end" : "") + (e.comment.empty() ? "" : " " + e.comment) + " " +
                           std::to_string(e.data.size()));
    CHECK(seen == std::vector<std::string>{"banned_networks4 10.0.0.0 a 'quoted' reason 9",
                                           "banned_networks4 11.0.0.0 end 0", "banned_networks4 192.0.2.0 1",
                                           "banned_networks4 192.0.3.0 end 0", "banned_networks4 255.0.0.0 1",
                                           "banned_networks6 2001:db8:ffff:ffff:: 1",
                                           "banned_networks6 2001:db9:: end 0"});
    Transaction cleared;
    clear_bans(cleared);
    std::vector<std::string> emptied;
    for (const Message& message : messages_of(cleared)) {
        CHECK_FALSE(message.adds);
        CHECK(message.list.elements.empty()); // all of the set
        emptied.push_back(message.list.set.set);
    }
    CHECK(emptied == std::vector<std::string>{"banned4", "banned6", "banned_networks4", "banned_networks6"});
}

TEST_CASE("bans, ended sessions and flows are known whole or not at all: one set that cannot be listed is an error") {
    // Lists nothing in the sets, but for one that it cannot list.
    struct FailingSets final : Sets {
        std::string failing;
        Result<void> commit(Transaction&&) override { return {}; }
        Result<std::vector<Element>> list_set(const SetName& set) override {
            if (set.set == failing)
                return Error{"made to fail", {}};
            return std::vector<Element>();
        }
    } sets;
    CHECK(read_bans(sets, BootTime()));
    CHECK(list_ended(sets));
    CHECK(list_flows(sets));
    for (const bool v4 : {true, false}) {
        for (const SetName& set : {banned_set(v4), banned_networks_set(v4)}) {
            sets.failing = set.set;
            REQUIRE_FALSE(read_bans(sets, BootTime()));
            CHECK(read_bans(sets, BootTime()).error().message == "listing set " + set.set + ": made to fail");
        }
        sets.failing = ended_set(v4).set;
        CHECK_FALSE(list_ended(sets));
        sets.failing = flows_set(v4).set;
        CHECK_FALSE(list_flows(sets));
    }
}

TEST_CASE("both directions of an ended session are elements, and each knows the other") {
    const EndedSession session{{IpProtocol::tcp, address("192.0.2.7"), address("192.0.2.1"), 40000, 22},
                               {IpProtocol::tcp, address("198.51.100.7"), address("192.0.2.7"), 2222, 40000}};
    CHECK(tuple_key(session.there) ==
          std::vector<std::uint8_t>{192, 0, 2, 7, 192, 0, 2, 1, 6, 0, 0, 0, 156, 64, 0, 0, 0, 22, 0, 0});
    Transaction t;
    put_ended(t, session);
    std::vector<std::vector<std::uint8_t>> keys;
    for (const Message& message : messages_of(t)) {
        CHECK(message.list.set == ended_set(true));
        const Element& e = message.list.elements.at(0);
        if (!message.adds || e.data.empty())
            continue;
        keys.push_back(e.key);
        CHECK(e.timeout == kEndedFor);
        CHECK(e.data.size() == 40);
    }
    CHECK(keys == std::vector{tuple_key(session.there), tuple_key(session.back)});
    Transaction cleared;
    clear_ended(cleared);
    std::vector<std::string> emptied;
    for (const Message& message : messages_of(cleared)) {
        CHECK(message.list.elements.empty());
        emptied.push_back(message.list.set.set);
    }
    CHECK(emptied == std::vector<std::string>{"ended4", "ended6"});
}

TEST_CASE("only a netfilter netlink socket is taken over from an earlier process") {
    CHECK_FALSE(Socket::adopt(Fd()));
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    CHECK_FALSE(Socket::adopt(Fd(ends[0])));
    CHECK_FALSE(Socket::adopt(Fd(ends[1])));
    CHECK_FALSE(Socket::adopt(Fd(::socket(AF_UNIX, SOCK_STREAM, 0))));
    CHECK_FALSE(Socket::adopt(Fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE))));
    const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    const auto socket = Socket::adopt(Fd(fd));
    REQUIRE(socket);
    CHECK(socket->fd() == fd); // the same one, not closed
}
