// SPDX-License-Identifier: MIT
#include <netinet/in.h> // before the kernel's own <linux/in.h>

#include "daemon/nft/rule.h"

#include <libnftnl/expr.h>
#include <libnftnl/udata.h>
#include <linux/if_addr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <cstdlib>

namespace xk::nft {
namespace {

// In "src . proto . port" each field takes whole 32-bit registers: NFT_REG_1 is the registers
// NFT_REG32_00 to _03, so an IPv4 address fills the first of them and an IPv6 address all four.
constexpr std::uint32_t kFirst = NFT_REG_1;
constexpr std::uint32_t kAfterV4 = NFT_REG32_01;
constexpr std::uint32_t kAfterV6 = NFT_REG_2;

constexpr std::uint32_t kV4Source = 12, kV6Source = 8; // offsets in the network header
constexpr std::uint32_t kPort = 2;                     // destination port in the transport header

nftnl_expr* expression(nftnl_rule* rule, const char* kind) {
    nftnl_expr* const e = nftnl_expr_alloc(kind);
    if (e == nullptr)
        std::abort(); // out of memory
    nftnl_rule_add_expr(rule, e);
    return e;
}

void meta(nftnl_rule* rule, std::uint32_t key, std::uint32_t to) {
    nftnl_expr* const e = expression(rule, "meta");
    nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
    nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, to);
}

void payload(nftnl_rule* rule, std::uint32_t base, std::uint32_t offset, std::uint32_t size,
             std::uint32_t to) {
    nftnl_expr* const e = expression(rule, "payload");
    nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
    nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
    nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, size);
    nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, to);
}

void compare(nftnl_rule* rule, std::uint32_t operation, const void* data, std::uint32_t size) {
    nftnl_expr* const e = expression(rule, "cmp");
    nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, kFirst);
    nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, operation);
    nftnl_expr_set_data(e, NFTNL_EXPR_CMP_DATA, data, size);
}

void mask(nftnl_rule* rule, const void* bits, const void* zero, std::uint32_t size) {
    nftnl_expr* const e = expression(rule, "bitwise");
    nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, kFirst);
    nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, kFirst);
    nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, size);
    nftnl_expr_set_data(e, NFTNL_EXPR_BITWISE_MASK, bits, size);
    nftnl_expr_set_data(e, NFTNL_EXPR_BITWISE_XOR, zero, size);
}

void lookup(nftnl_rule* rule, const std::string& set) {
    nftnl_expr* const e = expression(rule, "lookup");
    nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, kFirst);
    nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, set.c_str());
}

} // namespace

Rule::Rule(const std::string& table, const std::string& chain) : rule_(nftnl_rule_alloc()) {
    if (!rule_)
        std::abort(); // out of memory
    nftnl_rule_set_u32(rule_.get(), NFTNL_RULE_FAMILY, NFPROTO_INET);
    nftnl_rule_set_str(rule_.get(), NFTNL_RULE_TABLE, table.c_str());
    nftnl_rule_set_str(rule_.get(), NFTNL_RULE_CHAIN, chain.c_str());
}

Rule& Rule::input_is_loopback() {
    const std::uint32_t loopback = 1; // LOOPBACK_IFINDEX, in every network namespace
    meta(rule_.get(), NFT_META_IIF, kFirst);
    compare(rule_.get(), NFT_CMP_EQ, &loopback, sizeof loopback);
    return *this;
}

Rule& Rule::established_or_related() {
    const std::uint32_t states =
        NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED);
    const std::uint32_t zero = 0;
    nftnl_expr* const e = expression(rule_.get(), "ct");
    nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, NFT_CT_STATE);
    nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, kFirst);
    mask(rule_.get(), &states, &zero, sizeof states);
    compare(rule_.get(), NFT_CMP_NEQ, &zero, sizeof zero);
    return *this;
}

void Rule::family(Family family) {
    const auto value = static_cast<std::uint8_t>(family);
    meta(rule_.get(), NFT_META_NFPROTO, kFirst);
    compare(rule_.get(), NFT_CMP_EQ, &value, sizeof value);
}

Rule& Rule::source_in(const Prefix& prefix) {
    const bool v4 = prefix.is_v4();
    const std::uint32_t size = v4 ? 4 : 16;
    const std::size_t begin = 16 - size;
    Bytes<16> bits{};
    for (unsigned bit = 0; bit < prefix.length; ++bit)
        bits[bit / 8] |= static_cast<std::uint8_t>(0x80u >> (bit % 8));
    const Bytes<16> zero{};
    family(v4 ? Family::v4 : Family::v6);
    payload(rule_.get(), NFT_PAYLOAD_NETWORK_HEADER, v4 ? kV4Source : kV6Source, size, kFirst);
    mask(rule_.get(), bits.data() + begin, zero.data(), size);
    compare(rule_.get(), NFT_CMP_EQ, prefix.address.bytes.data() + begin, size);
    return *this;
}

Rule& Rule::source_in_set(Family f, const std::string& set) {
    family(f);
    if (f == Family::v4)
        payload(rule_.get(), NFT_PAYLOAD_NETWORK_HEADER, kV4Source, 4, kFirst);
    else
        payload(rule_.get(), NFT_PAYLOAD_NETWORK_HEADER, kV6Source, 16, kFirst);
    lookup(rule_.get(), set);
    return *this;
}

Rule& Rule::source_protocol_port_in_set(Family f, const std::string& set) {
    const bool v4 = f == Family::v4;
    const std::uint32_t protocol = v4 ? kAfterV4 : kAfterV6;
    const std::uint32_t port = v4 ? NFT_REG32_02 : NFT_REG32_05;
    family(f);
    payload(rule_.get(), NFT_PAYLOAD_NETWORK_HEADER, v4 ? kV4Source : kV6Source, v4 ? 4 : 16, kFirst);
    meta(rule_.get(), NFT_META_L4PROTO, protocol);
    payload(rule_.get(), NFT_PAYLOAD_TRANSPORT_HEADER, kPort, 2, port);
    lookup(rule_.get(), set);
    return *this;
}

Rule& Rule::for_this_host() {
    // Not "local": that leaves out the anycast addresses that a router answers for (RFC 4291 2.6.1),
    // broadcast and multicast. What is transit has a unicast route.
    const std::uint32_t unicast = RTN_UNICAST;
    nftnl_expr* const e = expression(rule_.get(), "fib");
    nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
    nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_FLAGS, NFTA_FIB_F_DADDR);
    nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_DREG, kFirst);
    compare(rule_.get(), NFT_CMP_NEQ, &unicast, sizeof unicast);
    return *this;
}

Rule& Rule::protocol_port_in_set(const std::string& set) {
    meta(rule_.get(), NFT_META_L4PROTO, kFirst);
    payload(rule_.get(), NFT_PAYLOAD_TRANSPORT_HEADER, kPort, 2, NFT_REG32_01);
    lookup(rule_.get(), set);
    return *this;
}

Rule& Rule::udp_port(std::uint16_t port) {
    const std::uint8_t udp = IPPROTO_UDP;
    const std::uint16_t network = htons(port);
    meta(rule_.get(), NFT_META_L4PROTO, kFirst);
    compare(rule_.get(), NFT_CMP_EQ, &udp, sizeof udp);
    payload(rule_.get(), NFT_PAYLOAD_TRANSPORT_HEADER, kPort, 2, kFirst);
    compare(rule_.get(), NFT_CMP_EQ, &network, sizeof network);
    return *this;
}

Rule& Rule::counter() {
    expression(rule_.get(), "counter");
    return *this;
}

void Rule::verdict(Transaction& transaction, std::uint32_t verdict, const std::string& comment) {
    nftnl_expr* const e = expression(rule_.get(), "immediate");
    nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
    nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, verdict);
    const Handle<nftnl_udata_buf, nftnl_udata_buf_free> data(nftnl_udata_buf_alloc(256));
    nftnl_udata_put_strz(data.get(), NFTNL_UDATA_RULE_COMMENT, comment.c_str());
    nftnl_rule_set_data(rule_.get(), NFTNL_RULE_USERDATA, nftnl_udata_buf_data(data.get()),
                        nftnl_udata_buf_len(data.get()));
    transaction.add(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND,
                    [&](nlmsghdr* h) { nftnl_rule_nlmsg_build_payload(h, rule_.get()); });
}

void Rule::accept(Transaction& transaction, const std::string& comment) {
    verdict(transaction, NF_ACCEPT, comment);
}

void Rule::drop(Transaction& transaction, const std::string& comment) {
    verdict(transaction, NF_DROP, comment);
}

} // namespace xk::nft
