// SPDX-License-Identifier: MIT
#include <netinet/in.h> // before the kernel's own <linux/in.h>
#include <netinet/tcp.h>

#include "daemon/nft/rule.h"

#include <libnftnl/expr.h>
#include <libnftnl/udata.h>
#include <linux/if_addr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <cstdlib>

namespace xk::nft {
namespace {

// The 32-bit words that a key is made of lie in registers one behind the other; nft itself calls every fourth by the name
// of the 128-bit register that begins there.
constexpr std::uint32_t word(std::uint32_t number) {
    return number % 4 == 0 ? NFT_REG_1 + number / 4 : NFT_REG32_00 + number;
}
constexpr std::uint32_t kFirst = word(0);

constexpr std::uint32_t kV4Source = 12, kV6Source = 8; // offsets in the network header
constexpr std::uint32_t kV4Target = 16, kV6Target = 24;
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

void Rule::state(std::uint32_t key, std::uint32_t bits) {
    const std::uint32_t zero = 0;
    nftnl_expr* const e = expression(rule_.get(), "ct");
    nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, key);
    nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, kFirst);
    mask(rule_.get(), &bits, &zero, sizeof bits);
    compare(rule_.get(), NFT_CMP_NEQ, &zero, sizeof zero);
}

Rule& Rule::established_or_related() {
    state(NFT_CT_STATE, NF_CT_STATE_BIT(IP_CT_ESTABLISHED) | NF_CT_STATE_BIT(IP_CT_RELATED));
    return *this;
}

Rule& Rule::is_new() {
    state(NFT_CT_STATE, NF_CT_STATE_BIT(IP_CT_NEW));
    return *this;
}

Rule& Rule::begun() {
    const std::uint8_t tcp = IPPROTO_TCP;
    meta(rule_.get(), NFT_META_L4PROTO, kFirst);
    compare(rule_.get(), NFT_CMP_EQ, &tcp, sizeof tcp);
    is_new();
    state(NFT_CT_STATUS, IPS_CONFIRMED);
    return *this;
}

Rule& Rule::answers_ours() {
    const std::uint8_t reply = IP_CT_DIR_REPLY;
    nftnl_expr* const e = expression(rule_.get(), "ct");
    nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, NFT_CT_DIRECTION);
    nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, kFirst);
    compare(rule_.get(), NFT_CMP_EQ, &reply, sizeof reply);
    return *this;
}

Rule& Rule::is(Family family) {
    const auto value = static_cast<std::uint8_t>(family);
    meta(rule_.get(), NFT_META_NFPROTO, kFirst);
    compare(rule_.get(), NFT_CMP_EQ, &value, sizeof value);
    return *this;
}

Rule& Rule::source_in(const Prefix& prefix) {
    const bool v4 = prefix.is_v4();
    const std::uint32_t size = v4 ? 4 : 16;
    const std::size_t begin = 16 - size;
    Bytes<16> bits{};
    for (unsigned bit = 0; bit < prefix.length; ++bit)
        bits[bit / 8] |= static_cast<std::uint8_t>(0x80u >> (bit % 8));
    const Bytes<16> zero{};
    is(v4 ? Family::v4 : Family::v6);
    payload(rule_.get(), NFT_PAYLOAD_NETWORK_HEADER, v4 ? kV4Source : kV6Source, size, kFirst);
    mask(rule_.get(), bits.data() + begin, zero.data(), size);
    compare(rule_.get(), NFT_CMP_EQ, prefix.address.bytes.data() + begin, size);
    return *this;
}

Rule& Rule::target_is(const Address& address) {
    const bool v4 = address.is_v4();
    const std::uint32_t size = v4 ? 4 : 16;
    is(v4 ? Family::v4 : Family::v6);
    payload(rule_.get(), NFT_PAYLOAD_NETWORK_HEADER, v4 ? kV4Target : kV6Target, size, kFirst);
    compare(rule_.get(), NFT_CMP_EQ, address.bytes.data() + 16 - size, size);
    return *this;
}

Rule& Rule::to_ports(const PortRange& ports) {
    const auto protocol = static_cast<std::uint8_t>(ports.protocol);
    const std::uint16_t first = htons(ports.first), last = htons(ports.last);
    meta(rule_.get(), NFT_META_L4PROTO, kFirst);
    compare(rule_.get(), NFT_CMP_EQ, &protocol, sizeof protocol);
    payload(rule_.get(), NFT_PAYLOAD_TRANSPORT_HEADER, kPort, 2, kFirst);
    if (ports.is_single()) {
        compare(rule_.get(), NFT_CMP_EQ, &first, sizeof first);
    } else {
        compare(rule_.get(), NFT_CMP_GTE, &first, sizeof first);
        compare(rule_.get(), NFT_CMP_LTE, &last, sizeof last);
    }
    return *this;
}

void Rule::load(Family family, Key key) {
    const bool v4 = family == Family::v4;
    std::uint32_t at = 0; // words so far
    const auto address = [&](std::uint32_t offset) {
        payload(rule_.get(), NFT_PAYLOAD_NETWORK_HEADER, offset, v4 ? 4 : 16, word(at));
        at += v4 ? 1 : 4;
    };
    if (key == Key::source || key == Key::source_port || key == Key::source_target_port)
        address(v4 ? kV4Source : kV6Source);
    if (key == Key::both_ends)
        return load_both_ends(family);
    if (key == Key::target_port || key == Key::source_target_port)
        address(v4 ? kV4Target : kV6Target);
    if (key == Key::source)
        return;
    meta(rule_.get(), NFT_META_L4PROTO, word(at));
    payload(rule_.get(), NFT_PAYLOAD_TRANSPORT_HEADER, kPort, 2, word(at + 1));
}

Rule& Rule::in_set(Family family, Key key, const std::string& set) {
    if (key != Key::port)
        is(family);
    load(family, key);
    nftnl_expr* const e = expression(rule_.get(), "lookup");
    nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, kFirst);
    nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, set.c_str());
    return *this;
}

Rule& Rule::take_out(Family family, Key key, const std::string& set) {
    load(family, key);
    nftnl_expr* const e = expression(rule_.get(), "dynset");
    nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_SREG_KEY, kFirst);
    nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_DELETE);
    nftnl_expr_set_str(e, NFTNL_EXPR_DYNSET_SET_NAME, set.c_str());
    return *this;
}

Rule& Rule::more_connections_than(std::uint32_t number, Family family, Key key, const std::string& set) {
    load(family, key);
    nftnl_expr* const count = nftnl_expr_alloc("connlimit");
    if (count == nullptr)
        std::abort(); // out of memory
    nftnl_expr_set_u32(count, NFTNL_EXPR_CONNLIMIT_COUNT, number);
    nftnl_expr_set_u32(count, NFTNL_EXPR_CONNLIMIT_FLAGS, NFT_CONNLIMIT_F_INV);
    nftnl_expr* const e = expression(rule_.get(), "dynset");
    nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_SREG_KEY, kFirst);
    nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_ADD);
    nftnl_expr_set_str(e, NFTNL_EXPR_DYNSET_SET_NAME, set.c_str());
    nftnl_expr_set(e, NFTNL_EXPR_DYNSET_EXPR, count, 0); // belongs to the rule from here on
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

Rule& Rule::counter() {
    expression(rule_.get(), "counter");
    return *this;
}

// The tuple of the packet, each field padded to a word.
void Rule::load_both_ends(Family family) {
    const bool v4 = family == Family::v4;
    const std::uint32_t size = v4 ? 4 : 16, words = v4 ? 1 : 4;
    payload(rule_.get(), NFT_PAYLOAD_NETWORK_HEADER, v4 ? kV4Source : kV6Source, size, word(0));
    payload(rule_.get(), NFT_PAYLOAD_NETWORK_HEADER, v4 ? kV4Target : kV6Target, size, word(words));
    meta(rule_.get(), NFT_META_L4PROTO, word(2 * words));
    payload(rule_.get(), NFT_PAYLOAD_TRANSPORT_HEADER, 0, 2, word(2 * words + 1));
    payload(rule_.get(), NFT_PAYLOAD_TRANSPORT_HEADER, kPort, 2, word(2 * words + 2));
}

Rule& Rule::is_no_session() {
    state(NFT_CT_STATE, NF_CT_STATE_BIT(IP_CT_NEW) | NF_CT_STATE_INVALID_BIT | NF_CT_STATE_UNTRACKED_BIT);
    return *this;
}

Rule& Rule::is_tcp() {
    const std::uint8_t tcp = IPPROTO_TCP;
    meta(rule_.get(), NFT_META_L4PROTO, kFirst);
    compare(rule_.get(), NFT_CMP_EQ, &tcp, sizeof tcp);
    return *this;
}

Rule& Rule::begins_or_resets() {
    constexpr std::uint32_t kFlags = 13; // in the TCP header
    const std::uint8_t bits = TH_SYN | TH_RST, zero = 0;
    is_tcp();
    payload(rule_.get(), NFT_PAYLOAD_TRANSPORT_HEADER, kFlags, 1, kFirst);
    mask(rule_.get(), &bits, &zero, sizeof bits);
    compare(rule_.get(), NFT_CMP_NEQ, &zero, sizeof zero);
    return *this;
}

Rule& Rule::renew(Family family, Key key, const std::string& set, std::chrono::milliseconds time) {
    load(family, key);
    nftnl_expr* const e = expression(rule_.get(), "dynset");
    nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_SREG_KEY, kFirst);
    nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
    nftnl_expr_set_u64(e, NFTNL_EXPR_DYNSET_TIMEOUT, static_cast<std::uint64_t>(time.count()));
    nftnl_expr_set_str(e, NFTNL_EXPR_DYNSET_SET_NAME, set.c_str());
    return *this;
}

void Rule::append(Transaction& transaction, const std::string& comment) {
    const Handle<nftnl_udata_buf, nftnl_udata_buf_free> data(nftnl_udata_buf_alloc(256));
    nftnl_udata_put_strz(data.get(), NFTNL_UDATA_RULE_COMMENT, comment.c_str());
    nftnl_rule_set_data(rule_.get(), NFTNL_RULE_USERDATA, nftnl_udata_buf_data(data.get()),
                        nftnl_udata_buf_len(data.get()));
    transaction.add(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND,
                    [&](nlmsghdr* h) { nftnl_rule_nlmsg_build_payload(h, rule_.get()); });
}

void Rule::verdict(Transaction& transaction, std::uint32_t verdict, const std::string& comment,
                   const std::string& chain) {
    nftnl_expr* const e = expression(rule_.get(), "immediate");
    nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
    nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, verdict);
    if (!chain.empty())
        nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, chain.c_str());
    append(transaction, comment);
}

void Rule::accept(Transaction& transaction, const std::string& comment) {
    verdict(transaction, NF_ACCEPT, comment);
}

void Rule::drop(Transaction& transaction, const std::string& comment) {
    verdict(transaction, NF_DROP, comment);
}

void Rule::go_to(Transaction& transaction, const std::string& chain, const std::string& comment) {
    verdict(transaction, static_cast<std::uint32_t>(NFT_GOTO), comment, chain);
}

void Rule::jump_to(Transaction& transaction, const std::string& chain, const std::string& comment) {
    verdict(transaction, static_cast<std::uint32_t>(NFT_JUMP), comment, chain);
}

void Rule::go_back(Transaction& transaction, const std::string& comment) {
    verdict(transaction, static_cast<std::uint32_t>(NFT_RETURN), comment);
}

void Rule::reset(Transaction& transaction, const std::string& comment) {
    nftnl_expr* const e = expression(rule_.get(), "reject");
    nftnl_expr_set_u32(e, NFTNL_EXPR_REJECT_TYPE, NFT_REJECT_TCP_RST);
    append(transaction, comment);
}

void Rule::translate_to(Transaction& transaction, const Address& target, std::uint16_t port,
                        const std::string& comment) {
    const bool v4 = target.is_v4();
    const std::uint32_t size = v4 ? 4 : 16;
    const std::uint16_t network = htons(port);
    const auto immediate = [&](std::uint32_t to, const void* data, std::uint32_t length) {
        nftnl_expr* const e = expression(rule_.get(), "immediate");
        nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, to);
        nftnl_expr_set_data(e, NFTNL_EXPR_IMM_DATA, data, length);
    };
    immediate(NFT_REG_1, target.bytes.data() + 16 - size, size);
    immediate(NFT_REG_2, &network, sizeof network);
    nftnl_expr* const e = expression(rule_.get(), "nat");
    nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
    nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FAMILY, v4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
    nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
    nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_PROTO_MIN, NFT_REG_2);
    nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
    append(transaction, comment);
}

} // namespace xk::nft
