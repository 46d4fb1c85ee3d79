// SPDX-License-Identifier: MIT
//
// The ends of rules: verdicts, rejects and translations.
#include <netinet/in.h> // before the kernel's own <linux/in.h>

#include "daemon/nft/expression.h"
#include "daemon/nft/rule.h"

#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>

namespace xk::nft {

using namespace expression;

Rule& Rule::counter() {
    append(rule_.get(), "counter");
    return *this;
}

void Rule::append_without_verdict(Transaction& transaction, const std::string& comment) {
    const Handle<nftnl_udata_buf, nftnl_udata_buf_free> data(nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN));
    nftnl_udata_put_strz(data.get(), NFTNL_UDATA_RULE_COMMENT, comment.c_str());
    nftnl_rule_set_data(rule_.get(), NFTNL_RULE_USERDATA, nftnl_udata_buf_data(data.get()),
                        nftnl_udata_buf_len(data.get()));
    transaction.add(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND,
                    [&](nlmsghdr* h) { nftnl_rule_nlmsg_build_payload(h, rule_.get()); });
}

void Rule::append_verdict(Transaction& transaction, std::uint32_t verdict, const std::string& comment,
                          const std::string& chain) {
    nftnl_expr* const e = append(rule_.get(), "immediate");
    nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
    nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, verdict);
    if (!chain.empty())
        nftnl_expr_set_str(e, NFTNL_EXPR_IMM_CHAIN, chain.c_str());
    append_without_verdict(transaction, comment);
}

void Rule::accept(Transaction& transaction, const std::string& comment) {
    append_verdict(transaction, NF_ACCEPT, comment);
}

void Rule::drop(Transaction& transaction, const std::string& comment) { append_verdict(transaction, NF_DROP, comment); }

void Rule::go_to(Transaction& transaction, const std::string& chain, const std::string& comment) {
    append_verdict(transaction, static_cast<std::uint32_t>(NFT_GOTO), comment, chain);
}

void Rule::jump_to(Transaction& transaction, const std::string& chain, const std::string& comment) {
    append_verdict(transaction, static_cast<std::uint32_t>(NFT_JUMP), comment, chain);
}

void Rule::return_to_caller(Transaction& transaction, const std::string& comment) {
    append_verdict(transaction, static_cast<std::uint32_t>(NFT_RETURN), comment);
}

void Rule::append_reject(Transaction& transaction, std::uint32_t type, std::uint8_t code, const std::string& comment) {
    nftnl_expr* const e = append(rule_.get(), "reject");
    nftnl_expr_set_u32(e, NFTNL_EXPR_REJECT_TYPE, type);
    nftnl_expr_set_u8(e, NFTNL_EXPR_REJECT_CODE, code);
    append_without_verdict(transaction, comment);
}

void Rule::reject_with_reset(Transaction& transaction, const std::string& comment) {
    append_reject(transaction, NFT_REJECT_TCP_RST, 0, comment);
}

void Rule::reject_unreachable(Transaction& transaction, const std::string& comment) {
    append_reject(transaction, NFT_REJECT_ICMPX_UNREACH, NFT_REJECT_ICMPX_PORT_UNREACH, comment);
}

void Rule::redirect_to(Transaction& transaction, std::uint16_t port, const std::string& comment) {
    const std::uint16_t network = htons(port);
    load_immediate(rule_.get(), NFT_REG_1, &network, sizeof network);
    nftnl_expr* const e = append(rule_.get(), "redir");
    nftnl_expr_set_u32(e, NFTNL_EXPR_REDIR_REG_PROTO_MIN, NFT_REG_1);
    nftnl_expr_set_u32(e, NFTNL_EXPR_REDIR_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
    append_without_verdict(transaction, comment);
}

void Rule::translate_to(Transaction& transaction, const Address& target, std::uint16_t port,
                        const std::string& comment) {
    const bool v4 = target.is_v4();
    const std::uint32_t size = address_size(v4);
    const std::uint16_t network = htons(port);
    load_immediate(rule_.get(), NFT_REG_1, target.bytes.data() + 16 - size, size);
    load_immediate(rule_.get(), NFT_REG_2, &network, sizeof network);
    nftnl_expr* const e = append(rule_.get(), "nat");
    nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_TYPE, NFT_NAT_DNAT);
    nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FAMILY, v4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
    nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_ADDR_MIN, NFT_REG_1);
    nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_REG_PROTO_MIN, NFT_REG_2);
    nftnl_expr_set_u32(e, NFTNL_EXPR_NAT_FLAGS, NF_NAT_RANGE_PROTO_SPECIFIED);
    append_without_verdict(transaction, comment);
}

} // namespace xk::nft
