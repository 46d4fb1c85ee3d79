// SPDX-License-Identifier: MIT
#include "daemon/nft/expression.h"

#include <linux/netfilter/nf_conntrack_tuple_common.h>

#include <cstdlib>

namespace xk::nft::expression {

nftnl_expr* append(nftnl_rule* rule, const char* kind) {
    nftnl_expr* const e = nftnl_expr_alloc(kind);
    if (e == nullptr)
        std::abort(); // out of memory
    nftnl_rule_add_expr(rule, e);
    return e;
}

void load_meta(nftnl_rule* rule, std::uint32_t key, std::uint32_t to) {
    nftnl_expr* const e = append(rule, "meta");
    nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
    nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, to);
}

void load_payload(nftnl_rule* rule, std::uint32_t base, std::uint32_t offset, std::uint32_t size, std::uint32_t to) {
    nftnl_expr* const e = append(rule, "payload");
    nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
    nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
    nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, size);
    nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, to);
}

void load_ct(nftnl_rule* rule, std::uint32_t key, std::uint32_t to) {
    nftnl_expr* const e = append(rule, "ct");
    nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, key);
    nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, to);
}

void load_ct_original(nftnl_rule* rule, std::uint32_t key, std::uint32_t to) {
    nftnl_expr* const e = append(rule, "ct");
    nftnl_expr_set_u32(e, NFTNL_EXPR_CT_KEY, key);
    nftnl_expr_set_u8(e, NFTNL_EXPR_CT_DIR, IP_CT_DIR_ORIGINAL);
    nftnl_expr_set_u32(e, NFTNL_EXPR_CT_DREG, to);
}

void load_immediate(nftnl_rule* rule, std::uint32_t to, const void* data, std::uint32_t size) {
    nftnl_expr* const e = append(rule, "immediate");
    nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, to);
    nftnl_expr_set_data(e, NFTNL_EXPR_IMM_DATA, data, size);
}

void compare(nftnl_rule* rule, std::uint32_t operation, const void* data, std::uint32_t size) {
    nftnl_expr* const e = append(rule, "cmp");
    nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, kFirst);
    nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, operation);
    nftnl_expr_set_data(e, NFTNL_EXPR_CMP_DATA, data, size);
}

void compare_byte(nftnl_rule* rule, std::uint8_t value) { compare(rule, NFT_CMP_EQ, &value, sizeof value); }

void mask(nftnl_rule* rule, const void* bits, std::uint32_t size) {
    const std::uint8_t zero[16] = {};
    nftnl_expr* const e = append(rule, "bitwise");
    nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, kFirst);
    nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, kFirst);
    nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, size);
    nftnl_expr_set_data(e, NFTNL_EXPR_BITWISE_MASK, bits, size);
    nftnl_expr_set_data(e, NFTNL_EXPR_BITWISE_XOR, zero, size);
}

} // namespace xk::nft::expression
