// SPDX-License-Identifier: MIT
//
// Rules with sets: look-ups, and changes that a packet makes in a set.
#include "daemon/nft/expression.h"
#include "daemon/nft/rule.h"

#include <linux/netfilter/nf_tables.h>

#include <cstdlib>

namespace xk::nft {

using namespace expression;

namespace {

// Loads the key's fields into registers, in the order in which the set has them.
void load_key(nftnl_rule* rule, Family family, Key key) {
    const bool v4 = family == Family::v4;
    std::uint32_t at = 0; // words so far
    const auto address = [&](std::uint32_t offset) {
        load_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, offset, address_size(v4), word(at));
        at += address_size(v4) / 4;
    };
    if (key != Key::port && key != Key::target_port)
        address(source_offset(v4));
    if (key == Key::target_port || key == Key::source_target_port || key == Key::both_ends)
        address(target_offset(v4));
    if (key == Key::source)
        return;
    load_meta(rule, NFT_META_L4PROTO, word(at++));
    if (key == Key::source_original_port)
        return load_ct_original(rule, NFT_CT_PROTO_DST, word(at));
    if (key == Key::both_ends)
        load_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, kSourcePort, 2, word(at++));
    load_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, kTargetPort, 2, word(at));
}

nftnl_expr* append_dynset(nftnl_rule* rule, Family family, Key key, const std::string& set, std::uint32_t operation) {
    load_key(rule, family, key);
    nftnl_expr* const e = append(rule, "dynset");
    nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_SREG_KEY, kFirst);
    nftnl_expr_set_u32(e, NFTNL_EXPR_DYNSET_OP, operation);
    nftnl_expr_set_str(e, NFTNL_EXPR_DYNSET_SET_NAME, set.c_str());
    return e;
}

} // namespace

Rule& Rule::in_set(Family family, Key key, const std::string& set) {
    if (key != Key::port)
        family_is(family);
    load_key(rule_.get(), family, key);
    nftnl_expr* const e = append(rule_.get(), "lookup");
    nftnl_expr_set_u32(e, NFTNL_EXPR_LOOKUP_SREG, kFirst);
    nftnl_expr_set_str(e, NFTNL_EXPR_LOOKUP_SET, set.c_str());
    return *this;
}

Rule& Rule::delete_from_set(Family family, Key key, const std::string& set) {
    append_dynset(rule_.get(), family, key, set, NFT_DYNSET_OP_DELETE);
    return *this;
}

Rule& Rule::update_set(Family family, Key key, const std::string& set, std::chrono::milliseconds time) {
    nftnl_expr_set_u64(append_dynset(rule_.get(), family, key, set, NFT_DYNSET_OP_UPDATE), NFTNL_EXPR_DYNSET_TIMEOUT,
                       static_cast<std::uint64_t>(time.count()));
    return *this;
}

Rule& Rule::more_connections_than(std::uint32_t number, Family family, Key key, const std::string& set) {
    nftnl_expr* const count = nftnl_expr_alloc("connlimit");
    if (count == nullptr)
        std::abort(); // out of memory
    nftnl_expr_set_u32(count, NFTNL_EXPR_CONNLIMIT_COUNT, number);
    nftnl_expr_set_u32(count, NFTNL_EXPR_CONNLIMIT_FLAGS, NFT_CONNLIMIT_F_INV);
    // From here on the rule owns the count.
    nftnl_expr_set(append_dynset(rule_.get(), family, key, set, NFT_DYNSET_OP_ADD), NFTNL_EXPR_DYNSET_EXPR, count, 0);
    return *this;
}

} // namespace xk::nft
