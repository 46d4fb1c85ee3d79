// SPDX-License-Identifier: MIT
//
// Messages that make and delete nf_tables objects of family inet (table, chain, set), and lists of those that are
// there. Every function names its table, so that a test table cannot be mistaken for ours.
#pragma once

#include "daemon/nft/transaction.h"

#include <cstdint>
#include <string>
#include <vector>

namespace xk::nft {

// A chain: hooked where `type` is given.
struct ChainSpec {
    std::string name;
    const char* type = nullptr; // "filter", "nat"; null: only reached from other chains
    std::uint32_t hook = 0;     // NF_INET_*
    std::int32_t priority = 0;
};

struct SetSpec {
    std::string name;
    std::uint32_t type = 0;     // nft's numbers of data types, six bits each
    std::uint32_t key_size = 0; // bytes
    std::uint32_t flags = 0;    // NFT_SET_*
    std::uint32_t size = 0;     // most elements; 0: no limit
    bool lasting = false;       // its elements outlive a table that has to be made anew
};

// `table_flags`: NFTA_TABLE_FLAGS. add_table() leaves a table alone that exists; add_new_table() fails then.
void add_table(Transaction& transaction, const std::string& table, std::uint32_t table_flags = 0);
void add_new_table(Transaction& transaction, const std::string& table, std::uint32_t table_flags = 0);
// Deletes the table with all that it holds. It must be there.
void delete_table(Transaction& transaction, const std::string& table);

void add_chain(Transaction& transaction, const std::string& table, const ChainSpec& spec);
// Deletes the rules of a chain.
void flush_chain(Transaction& transaction, const std::string& table, const std::string& chain);
void delete_chain(Transaction& transaction, const std::string& table, const std::string& chain);

// `id` is the set's number within the transaction, for rules of the same transaction; not 0.
void add_set(Transaction& transaction, const std::string& table, const SetSpec& spec, std::uint32_t id);
void delete_set(Transaction& transaction, const std::string& table, const std::string& set);

// These list what exists. For a table that does not exist the result is empty.
Result<bool> table_exists(Socket& socket, const std::string& table);
Result<std::vector<SetSpec>> list_sets(Socket& socket, const std::string& table); // size and lasting are not filled in
Result<std::vector<std::string>> list_chains(Socket& socket, const std::string& table);

} // namespace xk::nft
