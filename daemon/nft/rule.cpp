// SPDX-License-Identifier: MIT
#include <netinet/in.h> // before the kernel's own <linux/in.h>
#include <netinet/tcp.h>

#include "daemon/nft/rule.h"

#include <cstdlib>
#include <libnftnl/expr.h>
#include <libnftnl/udata.h>
#include <linux/if_addr.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

namespace xk::nft {
namespace {

// The 32-bit words that a key is made of lie in registers one behind the other; nft itself calls every fourth by the
// name of the 128-bit register that begins there.
constexpr std::uint32_t word(std::uint32_t number) {
    return number % 4 == 0 ? NFT_REG_1 + number / 4 : NFT_REG32_00 + number;
}
constexpr std::uint32_t kFirst = word(0);

constexpr std::uint32_t kV4Source = 12, kV6Source = 8; // offsets in the network header
constexpr std::uint32_t kV4Target = 16, kV6Target = 24;
constexpr std::uint32_t kSourcePort = 0, kPort = 2; // in the transport header; the destination's
constexpr std::uint32_t kTcpFlags = 13;

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

void payload(nftnl_rule* rule, std::uint32_t base, std::uint32_t offset, std::uint32_t size, std::uint32_t to) {
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

void compare8(nftnl_rule* rule, std::uint8_t value) { compare(rule, NFT_CMP_EQ, &value, sizeof value); }

void mask(nftnl_rule* rule, const void* bits, const void* zero, std::uint32_t size) {
    nftnl_expr* const e = expression(rule, "bitwise");
    nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, kFirst);
    nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, kFirst);
    nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, size);
    nftnl_expr_set_data(e, NFTNL_EXPR_BITWISE_MASK, bits, size);
    nftnl_expr_set_data(e, NFTNL_EXPR_BITWISE_XOR, zero, size);
}

// The port that a connection's first packet was sent to, before any translation.
void asked_port(nftnl_rule* rule, std::uint32_t to) {
    nftnl_expr* const e = expression(rule, "ct");
    nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, NFT_CT_PROTO_DST);
    nftnl_expr_set_u8(e, NFTNL_EXPR_CT_DIR, IP_CT_DIR_ORIGINAL);
    nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, to);
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

Rule& Rule::input_is_no_bridge() {
    constexpr char kKind[IFNAMSIZ] = "bridge"; // the kernel compares all sixteen bytes
    meta(rule_.get(), NFT_META_IIFKIND, kFirst);
    compare(rule_.get(), NFT_CMP_NEQ, kKind, sizeof kKind);
    return *this;
}

void Rule::connection(std::uint32_t key) {
    nftnl_expr* const e = expression(rule_.get(), "ct");
    nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, key);
    nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, kFirst);
}

void Rule::any_of(std::uint32_t key, std::uint32_t bits) {
    const std::uint32_t zero = 0;
    connection(key);
    mask(rule_.get(), &bits, &zero, sizeof bits);
    compare(rule_.get(), NFT_CMP_NEQ, &zero, sizeof zero);
}

Rule& Rule::established() {
    any_of(NFT_CT_STATE, NF_CT_STATE_BIT(IP_CT_ESTABLISHED));
    return *this;
}

Rule& Rule::is_no_session() {
    any_of(NFT_CT_STATE, NF_CT_STATE_BIT(IP_CT_NEW) | NF_CT_STATE_INVALID_BIT | NF_CT_STATE_UNTRACKED_BIT);
    return *this;
}

Rule& Rule::is_new() {
    any_of(NFT_CT_STATE, NF_CT_STATE_BIT(IP_CT_NEW));
    return *this;
}

Rule& Rule::without_entry() {
    any_of(NFT_CT_STATE, NF_CT_STATE_INVALID_BIT | NF_CT_STATE_UNTRACKED_BIT);
    return *this;
}

Rule& Rule::translated() {
    any_of(NFT_CT_STATUS, IPS_DST_NAT);
    return *this;
}

Rule& Rule::begins() {
    const std::uint8_t flags = TH_SYN | TH_ACK, zero = 0;
    to_protocol(IpProtocol::tcp);
    payload(rule_.get(), NFT_PAYLOAD_TRANSPORT_HEADER, kTcpFlags, 1, kFirst);
    mask(rule_.get(), &flags, &zero, sizeof flags);
    compare8(rule_.get(), TH_SYN);
    return *this;
}

Rule& Rule::begins_or_resets() {
    const std::uint8_t flags = TH_SYN | TH_RST, zero = 0;
    to_protocol(IpProtocol::tcp);
    payload(rule_.get(), NFT_PAYLOAD_TRANSPORT_HEADER, kTcpFlags, 1, kFirst);
    mask(rule_.get(), &flags, &zero, sizeof flags);
    compare(rule_.get(), NFT_CMP_NEQ, &zero, sizeof zero);
    return *this;
}

Rule& Rule::entry_is_of(IpProtocol protocol) {
    const auto value = static_cast<std::uint8_t>(protocol);
    nftnl_expr* const e = expression(rule_.get(), "ct");
    nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, NFT_CT_PROTOCOL);
    nftnl_expr_set_u8(e, NFTNL_EXPR_CT_DIR, IP_CT_DIR_ORIGINAL);
    nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, kFirst);
    compare8(rule_.get(), value);
    return *this;
}

Rule& Rule::begun() {
    const std::uint32_t bits = IPS_CONFIRMED | IPS_ASSURED, confirmed = IPS_CONFIRMED, zero = 0;
    connection(NFT_CT_DIRECTION);
    compare8(rule_.get(), IP_CT_DIR_ORIGINAL);
    connection(NFT_CT_STATUS);
    mask(rule_.get(), &bits, &zero, sizeof bits);
    compare(rule_.get(), NFT_CMP_EQ, &confirmed, sizeof confirmed);
    return *this;
}

Rule& Rule::answers_ours() {
    connection(NFT_CT_DIRECTION);
    compare8(rule_.get(), IP_CT_DIR_REPLY);
    return *this;
}

Rule& Rule::is(Family family) {
    meta(rule_.get(), NFT_META_NFPROTO, kFirst);
    compare8(rule_.get(), static_cast<std::uint8_t>(family));
    return *this;
}

Rule& Rule::to_protocol(IpProtocol protocol) {
    meta(rule_.get(), NFT_META_L4PROTO, kFirst);
    compare8(rule_.get(), static_cast<std::uint8_t>(protocol));
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

void Rule::port_in(const PortRange& ports) {
    const std::uint16_t first = htons(ports.first), last = htons(ports.last);
    if (ports.is_single()) {
        compare(rule_.get(), NFT_CMP_EQ, &first, sizeof first);
    } else {
        compare(rule_.get(), NFT_CMP_GTE, &first, sizeof first);
        compare(rule_.get(), NFT_CMP_LTE, &last, sizeof last);
    }
}

Rule& Rule::to_ports(const PortRange& ports) {
    to_protocol(ports.protocol);
    payload(rule_.get(), NFT_PAYLOAD_TRANSPORT_HEADER, kPort, 2, kFirst);
    port_in(ports);
    return *this;
}

Rule& Rule::asked_ports(const PortRange& ports) {
    to_protocol(ports.protocol);
    asked_port(rule_.get(), kFirst);
    port_in(ports);
    return *this;
}

void Rule::load(Family family, Key key) {
    const bool v4 = family == Family::v4;
    std::uint32_t at = 0; // words so far
    const auto address = [&](std::uint32_t offset) {
        payload(rule_.get(), NFT_PAYLOAD_NETWORK_HEADER, offset, v4 ? 4 : 16, word(at));
        at += v4 ? 1 : 4;
    };
    if (key != Key::port && key != Key::target_port)
        address(v4 ? kV4Source : kV6Source);
    if (key == Key::target_port || key == Key::source_target_port || key == Key::both_ends)
        address(v4 ? kV4Target : kV6Target);
    if (key == Key::source)
        return;
    meta(rule_.get(), NFT_META_L4PROTO, word(at++));
    if (key == Key::source_asked)
        return asked_port(rule_.get(), word(at));
    if (key == Key::both_ends)
        payload(rule_.get(), NFT_PAYLOAD_TRANSPORT_HEADER, kSourcePort, 2, word(at++));
    payload(rule_.get(), NFT_PAYLOAD_TRANSPORT_HEADER, kPort, 2, word(at));
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

nftnl_expr* Rule::dynset(Family family, Key key, const std::string& set, std::uint32_t operation) {
    load(family, key);
    nftnl_expr* const e = expression(rule_.get(), "dynset");
    nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_SREG_KEY, kFirst);
    nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_OP, operation);
    nftnl_expr_set_str(e, NFTNL_EXPR_DYNSET_SET_NAME, set.c_str());
    return e;
}

Rule& Rule::take_out(Family family, Key key, const std::string& set) {
    dynset(family, key, set, NFT_DYNSET_OP_DELETE);
    return *this;
}

Rule& Rule::remember(Family family, Key key, const std::string& set, std::chrono::milliseconds time) {
    nftnl_expr_set_u64(dynset(family, key, set, NFT_DYNSET_OP_UPDATE), NFTNL_EXPR_DYNSET_TIMEOUT,
                       static_cast<std::uint64_t>(time.count()));
    return *this;
}

Rule& Rule::more_connections_than(std::uint32_t number, Family family, Key key, const std::string& set) {
    nftnl_expr* const count = nftnl_expr_alloc("connlimit");
    if (count == nullptr)
        std::abort(); // out of memory
    nftnl_expr_set_u32(count, NFTNL_EXPR_CONNLIMIT_COUNT, number);
    nftnl_expr_set_u32(count, NFTNL_EXPR_CONNLIMIT_FLAGS, NFT_CONNLIMIT_F_INV);
    // The count belongs to the rule from here on.
    nftnl_expr_set(dynset(family, key, set, NFT_DYNSET_OP_ADD), NFTNL_EXPR_DYNSET_EXPR, count, 0);
    return *this;
}

void Rule::fib_is(std::uint32_t flags, std::uint32_t operation, std::uint32_t type) {
    nftnl_expr* const e = expression(rule_.get(), "fib");
    nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
    nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_FLAGS, flags);
    nftnl_expr_set_u32(e, NFTNL_EXPR_FIB_DREG, kFirst);
    compare(rule_.get(), operation, &type, sizeof type);
}

Rule& Rule::for_this_host() {
    fib_is(NFTA_FIB_F_DADDR, NFT_CMP_EQ, RTN_LOCAL);
    return *this;
}

Rule& Rule::for_this_interface() {
    fib_is(NFTA_FIB_F_DADDR | NFTA_FIB_F_IIF, NFT_CMP_EQ, RTN_LOCAL);
    return *this;
}

Rule& Rule::from_elsewhere() {
    fib_is(NFTA_FIB_F_SADDR, NFT_CMP_NEQ, RTN_LOCAL);
    return *this;
}

Rule& Rule::counter() {
    expression(rule_.get(), "counter");
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

void Rule::accept(Transaction& transaction, const std::string& comment) { verdict(transaction, NF_ACCEPT, comment); }

void Rule::drop(Transaction& transaction, const std::string& comment) { verdict(transaction, NF_DROP, comment); }

void Rule::go_to(Transaction& transaction, const std::string& chain, const std::string& comment) {
    verdict(transaction, static_cast<std::uint32_t>(NFT_GOTO), comment, chain);
}

void Rule::jump_to(Transaction& transaction, const std::string& chain, const std::string& comment) {
    verdict(transaction, static_cast<std::uint32_t>(NFT_JUMP), comment, chain);
}

void Rule::go_back(Transaction& transaction, const std::string& comment) {
    verdict(transaction, static_cast<std::uint32_t>(NFT_RETURN), comment);
}

void Rule::go_on(Transaction& transaction, const std::string& comment) { append(transaction, comment); }

void Rule::reject(Transaction& transaction, std::uint32_t type, std::uint8_t code, const std::string& comment) {
    nftnl_expr* const e = expression(rule_.get(), "reject");
    nftnl_expr_set_u32(e, NFTNL_EXPR_REJECT_TYPE, type);
    nftnl_expr_set_u8(e, NFTNL_EXPR_REJECT_CODE, code);
    append(transaction, comment);
}

void Rule::reset(Transaction& transaction, const std::string& comment) {
    reject(transaction, NFT_REJECT_TCP_RST, 0, comment);
}

void Rule::say_unreachable(Transaction& transaction, const std::string& comment) {
    reject(transaction, NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_PORT_UNREACH, comment);
}

void Rule::redirect_to(Transaction& transaction, std::uint16_t port, const std::string& comment) {
    const std::uint16_t network = htons(port);
    nftnl_expr* const value = expression(rule_.get(), "immediate");
    nftnl_expr_set_u32(value, NFTNL_EXPR_IMM_DREG, NFT_REG_1);
    nftnl_expr_set_data(value, NFTNL_EXPR_IMM_DATA, &network, sizeof network);
    nftnl_expr* const e = expression(rule_.get(), "redir");
    nftnl_expr_set_u32(e, NFTNL_EXPR_REDIR_REG_PROTO_MIN, NFT_REG_1);
    nftnl_expr_set_u32(e, NFTNL_EXPR_REDIR_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
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
