// SPDX-License-Identifier: MIT
//
// The expressions that rules are made of, as nf_tables has them: each loads a register, or compares one. Private to
// rule.cpp, rule_sets.cpp and rule_ends.cpp.
#pragma once

#include <cstdio> // for libnftnl's headers

#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <linux/netfilter/nf_tables.h>

#include <cstdint>

namespace xk::nft::expression {

// A key's 32-bit words lie in registers one behind the other. nft itself names every fourth word by the 128-bit
// register that begins there.
constexpr std::uint32_t word(std::uint32_t number) {
    return number % 4 == 0 ? NFT_REG_1 + number / 4 : NFT_REG32_00 + number;
}
constexpr std::uint32_t kFirst = word(0);

// Offsets of addresses in the network header, and of ports in the transport header; bytes.
constexpr std::uint32_t source_offset(bool v4) { return v4 ? 12 : 8; }
constexpr std::uint32_t target_offset(bool v4) { return v4 ? 16 : 24; }
constexpr std::uint32_t address_size(bool v4) { return v4 ? 4 : 16; }
inline constexpr std::uint32_t kSourcePort = 0, kTargetPort = 2;

// Appends an empty expression of this kind.
nftnl_expr* append(nftnl_rule* rule, const char* kind);

// Load a register.
void load_meta(nftnl_rule* rule, std::uint32_t key, std::uint32_t to = kFirst);
void load_payload(nftnl_rule* rule, std::uint32_t base, std::uint32_t offset, std::uint32_t size,
                  std::uint32_t to = kFirst);
void load_ct(nftnl_rule* rule, std::uint32_t key, std::uint32_t to = kFirst);
// Loads the value from packets in the direction of a connection's first packet, before any translation.
void load_ct_original(nftnl_rule* rule, std::uint32_t key, std::uint32_t to = kFirst);
void load_immediate(nftnl_rule* rule, std::uint32_t to, const void* data, std::uint32_t size);

// Compare the first register. If it does not match, the rule ends for this packet. `size` is at most 16 bytes.
void compare(nftnl_rule* rule, std::uint32_t operation, const void* data, std::uint32_t size);
void compare_byte(nftnl_rule* rule, std::uint8_t value);

// Keeps these bits of the first register.
void mask(nftnl_rule* rule, const void* bits, std::uint32_t size);

} // namespace xk::nft::expression
