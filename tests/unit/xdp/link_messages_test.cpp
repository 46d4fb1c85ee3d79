// SPDX-License-Identifier: MIT
// What the kernel's messages say of interfaces. An attribute of another size than a number has says nothing, and no
// text goes on behind its attribute.
#include "daemon/xdp/forwarding.h"
#include "daemon/xdp/link_layer.h"
#include "daemon/xdp/links.h"

#include <doctest/doctest.h>

#include <linux/if_arp.h>
#include <linux/netconf.h>
#include <linux/rtnetlink.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <string_view>

using namespace xk::xdp;

namespace {

// One message with a head of this type.
template <typename Head>
class Message {
  public:
    explicit Message(const Head& head = {}) : header_(mnl_nlmsg_put_header(bytes_.data())) {
        std::memcpy(mnl_nlmsg_put_extra_header(header_, sizeof head), &head, sizeof head);
    }
    Message& put(std::uint16_t type, std::string_view bytes) {
        mnl_attr_put(header_, type, bytes.size(), bytes.data());
        return *this;
    }
    Message& put(std::uint16_t type, std::uint32_t number) {
        mnl_attr_put_u32(header_, type, number);
        return *this;
    }
    Message& put_kind(std::string_view kind) {
        nlattr* const nest = mnl_attr_nest_start(header_, IFLA_LINKINFO);
        put(IFLA_INFO_KIND, kind).put(IFLA_INFO_DATA, "data");
        mnl_attr_nest_end(header_, nest);
        return *this;
    }
    const nlmsghdr* get() const { return header_; }

  private:
    alignas(nlmsghdr) std::array<char, 512> bytes_{};
    nlmsghdr* header_;
};

constexpr std::string_view kShort("\7\7", 2), kLong("\7\7\7\7\7\7\7\7", 8);

} // namespace

TEST_CASE("type, MTU and kind of an interface") {
    ifinfomsg head{};
    head.ifi_type = ARPHRD_NONE;
    const auto facts = link_facts_of(Message(head).put(IFLA_MTU, 1420).put_kind({"wireguard", 10}).get());
    CHECK(facts.type == ARPHRD_NONE);
    CHECK(facts.mtu == 1420);
    CHECK(facts.kind == "wireguard");
}

TEST_CASE("an MTU of another size is none, and a kind ends with its attribute") {
    for (const std::string_view wrong : {kShort, kLong})
        CHECK(link_facts_of(Message<ifinfomsg>().put(IFLA_MTU, wrong).get()).mtu == 0);
    CHECK(link_facts_of(Message<ifinfomsg>().put_kind("ovpn").get()).kind == "ovpn");
    CHECK(link_facts_of(Message<ifinfomsg>().put_kind("").get()).kind.empty());
}

TEST_CASE("the interface above and the one below, and whether that is in another network namespace") {
    const auto here = relation_of(Message<ifinfomsg>().put(IFLA_MASTER, 4).put(IFLA_LINK, 5).get());
    CHECK(here.master == 4);
    CHECK(here.link == 5);
    CHECK_FALSE(here.elsewhere);
    CHECK(relation_of(Message<ifinfomsg>().put(IFLA_LINK, 5).put(IFLA_LINK_NETNSID, 0).get()).elsewhere);
    for (const std::string_view wrong : {kShort, kLong}) {
        CHECK(relation_of(Message<ifinfomsg>().put(IFLA_MASTER, wrong).get()).master == 0);
        CHECK(relation_of(Message<ifinfomsg>().put(IFLA_LINK, wrong).get()).link == 0);
    }
}

TEST_CASE("an interface forwards where the kernel says so in a whole number") {
    CHECK(says_forwarding(Message<netconfmsg>().put(NETCONFA_FORWARDING, 1).get()));
    CHECK_FALSE(says_forwarding(Message<netconfmsg>().put(NETCONFA_FORWARDING, 0).get()));
    CHECK_FALSE(says_forwarding(Message<netconfmsg>().put(NETCONFA_RP_FILTER, 1).get()));
    for (const std::string_view wrong : {kShort, kLong})
        CHECK_FALSE(says_forwarding(Message<netconfmsg>().put(NETCONFA_FORWARDING, wrong).get()));
}
