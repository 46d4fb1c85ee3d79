// SPDX-License-Identifier: MIT
//
// Matches: the conditions of rules.
#include <netinet/in.h> // before the kernel's own <linux/in.h>
#include <netinet/tcp.h>

#include "daemon/nft/expression.h"
#include "daemon/nft/rule.h"

#include <linux/if_addr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_conntrack_tuple_common.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cstdlib>

namespace xk::nft {

using namespace expression;

namespace {

constexpr std::uint32_t kTcpFlags = 13; // offset in the transport header

void load_tcp_flags(nftnl_rule* rule, std::uint8_t wanted) {
    load_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, kTcpFlags, sizeof wanted);
    mask(rule, &wanted, sizeof wanted);
}

// ct KEY has one of the bits.
void match_any_bit(nftnl_rule* rule, std::uint32_t key, std::uint32_t bits) {
    const std::uint32_t zero = 0;
    load_ct(rule, key);
    mask(rule, &bits, sizeof bits);
    compare(rule, NFT_CMP_NEQ, &zero, sizeof zero);
}

void match_ports(nftnl_rule* rule, const PortRange& ports) {
    const std::uint16_t first = htons(ports.first), last = htons(ports.last);
    if (ports.is_single()) {
        compare(rule, NFT_CMP_EQ, &first, sizeof first);
    } else {
        compare(rule, NFT_CMP_GTE, &first, sizeof first);
        compare(rule, NFT_CMP_LTE, &last, sizeof last);
    }
}

void match_fib_type(nftnl_rule* rule, std::uint32_t flags, std::uint32_t operation, std::uint32_t type) {
    nftnl_expr* const e = append(rule, "fib");
    nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
    nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_FLAGS, flags);
    nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_DREG, kFirst);
    compare(rule, operation, &type, sizeof type);
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
    load_meta(rule_.get(), NFT_META_IIF);
    compare(rule_.get(), NFT_CMP_EQ, &loopback, sizeof loopback);
    return *this;
}

Rule& Rule::input_is_no_bridge() {
    constexpr char kKind[IFNAMSIZ] = "bridge"; // the kernel compares all sixteen bytes
    load_meta(rule_.get(), NFT_META_IIFKIND);
    compare(rule_.get(), NFT_CMP_NEQ, kKind, sizeof kKind);
    return *this;
}

Rule& Rule::established() {
    match_any_bit(rule_.get(), NFT_CT_STATE, NF_CT_STATE_BIT(IP_CT_ESTABLISHED));
    return *this;
}

Rule& Rule::has_no_session() {
    match_any_bit(rule_.get(), NFT_CT_STATE,
                  NF_CT_STATE_BIT(IP_CT_NEW) | NF_CT_STATE_INVALID_BIT | NF_CT_STATE_UNTRACKED_BIT);
    return *this;
}

Rule& Rule::is_new() {
    match_any_bit(rule_.get(), NFT_CT_STATE, NF_CT_STATE_BIT(IP_CT_NEW));
    return *this;
}

Rule& Rule::without_entry() {
    match_any_bit(rule_.get(), NFT_CT_STATE, NF_CT_STATE_INVALID_BIT | NF_CT_STATE_UNTRACKED_BIT);
    return *this;
}

Rule& Rule::destination_translated() {
    match_any_bit(rule_.get(), NFT_CT_STATUS, IPS_DST_NAT);
    return *this;
}

Rule& Rule::in_reply_direction() {
    load_ct(rule_.get(), NFT_CT_DIRECTION);
    compare_byte(rule_.get(), IP_CT_DIR_REPLY);
    return *this;
}

Rule& Rule::handshake_began() {
    const std::uint32_t bits = IPS_CONFIRMED | IPS_ASSURED, confirmed = IPS_CONFIRMED;
    load_ct(rule_.get(), NFT_CT_DIRECTION);
    compare_byte(rule_.get(), IP_CT_DIR_ORIGINAL);
    load_ct(rule_.get(), NFT_CT_STATUS);
    mask(rule_.get(), &bits, sizeof bits);
    compare(rule_.get(), NFT_CMP_EQ, &confirmed, sizeof confirmed);
    return *this;
}

Rule& Rule::entry_protocol_is(IpProtocol protocol) {
    load_ct_original(rule_.get(), NFT_CT_PROTOCOL);
    compare_byte(rule_.get(), static_cast<std::uint8_t>(protocol));
    return *this;
}

Rule& Rule::is_syn() {
    protocol_is(IpProtocol::tcp);
    load_tcp_flags(rule_.get(), TH_SYN | TH_ACK);
    compare_byte(rule_.get(), TH_SYN);
    return *this;
}

Rule& Rule::has_syn_or_rst() {
    const std::uint8_t zero = 0;
    protocol_is(IpProtocol::tcp);
    load_tcp_flags(rule_.get(), TH_SYN | TH_RST);
    compare(rule_.get(), NFT_CMP_NEQ, &zero, sizeof zero);
    return *this;
}

Rule& Rule::family_is(Family family) {
    load_meta(rule_.get(), NFT_META_NFPROTO);
    compare_byte(rule_.get(), static_cast<std::uint8_t>(family));
    return *this;
}

Rule& Rule::protocol_is(IpProtocol protocol) {
    load_meta(rule_.get(), NFT_META_L4PROTO);
    compare_byte(rule_.get(), static_cast<std::uint8_t>(protocol));
    return *this;
}

Rule& Rule::source_in(const Prefix& prefix) {
    const bool v4 = prefix.is_v4();
    const std::uint32_t size = address_size(v4);
    const std::size_t begin = 16 - size;
    Bytes<16> bits{};
    for (unsigned bit = 0; bit < prefix.length; ++bit)
        bits[bit / 8] |= static_cast<std::uint8_t>(0x80u >> (bit % 8));
    family_is(v4 ? Family::v4 : Family::v6);
    load_payload(rule_.get(), NFT_PAYLOAD_NETWORK_HEADER, source_offset(v4), size);
    mask(rule_.get(), bits.data() + begin, size);
    compare(rule_.get(), NFT_CMP_EQ, prefix.address.bytes.data() + begin, size);
    return *this;
}

Rule& Rule::target_is(const Address& address) {
    const bool v4 = address.is_v4();
    const std::uint32_t size = address_size(v4);
    family_is(v4 ? Family::v4 : Family::v6);
    load_payload(rule_.get(), NFT_PAYLOAD_NETWORK_HEADER, target_offset(v4), size);
    compare(rule_.get(), NFT_CMP_EQ, address.bytes.data() + 16 - size, size);
    return *this;
}

Rule& Rule::to_ports(const PortRange& ports) {
    protocol_is(ports.protocol);
    load_payload(rule_.get(), NFT_PAYLOAD_TRANSPORT_HEADER, kTargetPort, sizeof(std::uint16_t));
    match_ports(rule_.get(), ports);
    return *this;
}

Rule& Rule::original_ports(const PortRange& ports) {
    protocol_is(ports.protocol);
    load_ct_original(rule_.get(), NFT_CT_PROTO_DST);
    match_ports(rule_.get(), ports);
    return *this;
}

Rule& Rule::for_this_host() {
    match_fib_type(rule_.get(), NFTA_FIB_F_DADDR, NFT_CMP_EQ, RTN_LOCAL);
    return *this;
}

Rule& Rule::for_this_interface() {
    match_fib_type(rule_.get(), NFTA_FIB_F_DADDR | NFTA_FIB_F_IIF, NFT_CMP_EQ, RTN_LOCAL);
    return *this;
}

Rule& Rule::for_this_vrf() {
    match_fib_type(rule_.get(), NFTA_FIB_F_DADDR, NFT_CMP_NEQ, RTN_LOCAL);
    return for_this_interface();
}

Rule& Rule::from_elsewhere() {
    match_fib_type(rule_.get(), NFTA_FIB_F_SADDR, NFT_CMP_NEQ, RTN_LOCAL);
    return *this;
}

} // namespace xk::nft
