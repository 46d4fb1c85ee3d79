// SPDX-License-Identifier: MIT
#include "daemon/nft/objects.h"

#include <libnftnl/chain.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <cstdlib>
#include <string_view>

namespace xk::nft {
namespace {

using Table = Handle<nftnl_table, nftnl_table_free>;
using Chain = Handle<nftnl_chain, nftnl_chain_free>;
using Set = Handle<nftnl_set, nftnl_set_free>;

template <typename Made>
Made require(Made object) {
    if (!object)
        std::abort(); // out of memory
    return object;
}

Table make_table(const std::string& name) {
    Table table = require(Table(nftnl_table_alloc()));
    nftnl_table_set_u32(table.get(), NFTNL_TABLE_FAMILY, NFPROTO_INET);
    nftnl_table_set_str(table.get(), NFTNL_TABLE_NAME, name.c_str());
    return table;
}

void table_message(Transaction& transaction, std::uint16_t type, std::uint16_t flags, const std::string& name,
                   std::uint32_t table_flags) {
    const Table table = make_table(name);
    if (table_flags != 0)
        nftnl_table_set_u32(table.get(), NFTNL_TABLE_FLAGS, table_flags);
    transaction.add(type, flags, [&](nlmsghdr* h) { nftnl_table_nlmsg_build_payload(h, table.get()); });
}

Chain make_chain(const std::string& table, const std::string& name) {
    Chain chain = require(Chain(nftnl_chain_alloc()));
    nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_FAMILY, NFPROTO_INET);
    nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_TABLE, table.c_str());
    nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_NAME, name.c_str());
    return chain;
}

Set make_set(const std::string& table) {
    Set set = require(Set(nftnl_set_alloc()));
    nftnl_set_set_u32(set.get(), NFTNL_SET_FAMILY, NFPROTO_INET);
    nftnl_set_set_str(set.get(), NFTNL_SET_TABLE, table.c_str());
    return set;
}

} // namespace

void add_table(Transaction& transaction, const std::string& table, std::uint32_t table_flags) {
    table_message(transaction, NFT_MSG_NEWTABLE, NLM_F_CREATE, table, table_flags);
}

void add_new_table(Transaction& transaction, const std::string& table, std::uint32_t table_flags) {
    table_message(transaction, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, table, table_flags);
}

void delete_table(Transaction& transaction, const std::string& table) {
    table_message(transaction, NFT_MSG_DELTABLE, 0, table, 0);
}

void add_chain(Transaction& transaction, const std::string& table, const ChainSpec& spec) {
    const Chain chain = make_chain(table, spec.name);
    if (spec.type != nullptr) {
        nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_TYPE, spec.type);
        nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_HOOKNUM, spec.hook);
        nftnl_chain_set_s32(chain.get(), NFTNL_CHAIN_PRIO, spec.priority);
        nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_POLICY, NF_ACCEPT);
    }
    transaction.add(NFT_MSG_NEWCHAIN, NLM_F_CREATE,
                    [&](nlmsghdr* h) { nftnl_chain_nlmsg_build_payload(h, chain.get()); });
}

void flush_chain(Transaction& transaction, const std::string& table, const std::string& chain) {
    const auto all = require(Handle<nftnl_rule, nftnl_rule_free>(nftnl_rule_alloc()));
    nftnl_rule_set_u32(all.get(), NFTNL_RULE_FAMILY, NFPROTO_INET);
    nftnl_rule_set_str(all.get(), NFTNL_RULE_TABLE, table.c_str());
    nftnl_rule_set_str(all.get(), NFTNL_RULE_CHAIN, chain.c_str());
    transaction.add(NFT_MSG_DELRULE, 0, [&](nlmsghdr* h) { nftnl_rule_nlmsg_build_payload(h, all.get()); });
}

void delete_chain(Transaction& transaction, const std::string& table, const std::string& chain) {
    const Chain gone = make_chain(table, chain);
    transaction.add(NFT_MSG_DELCHAIN, 0, [&](nlmsghdr* h) { nftnl_chain_nlmsg_build_payload(h, gone.get()); });
}

void add_set(Transaction& transaction, const std::string& table, const SetSpec& spec, std::uint32_t id) {
    const Set set = make_set(table);
    nftnl_set_set_str(set.get(), NFTNL_SET_NAME, spec.name.c_str());
    nftnl_set_set_u32(set.get(), NFTNL_SET_ID, id);
    nftnl_set_set_u32(set.get(), NFTNL_SET_KEY_TYPE, spec.type);
    nftnl_set_set_u32(set.get(), NFTNL_SET_KEY_LEN, spec.key_size);
    nftnl_set_set_u32(set.get(), NFTNL_SET_FLAGS, spec.flags);
    nftnl_set_set_u32(set.get(), NFTNL_SET_DESC_SIZE, spec.size);
    transaction.add(NFT_MSG_NEWSET, NLM_F_CREATE, [&](nlmsghdr* h) { nftnl_set_nlmsg_build_payload(h, set.get()); });
}

void delete_set(Transaction& transaction, const std::string& table, const std::string& name) {
    const Set set = make_set(table);
    nftnl_set_set_str(set.get(), NFTNL_SET_NAME, name.c_str());
    transaction.add(NFT_MSG_DELSET, 0, [&](nlmsghdr* h) { nftnl_set_nlmsg_build_payload(h, set.get()); });
}

Result<bool> table_exists(Socket& socket, const std::string& name) {
    bool found = false;
    auto done = socket.dump(NFT_MSG_GETTABLE, {}, [&](const nlmsghdr* h) {
        const Table table(nftnl_table_alloc());
        if (table && nftnl_table_nlmsg_parse(h, table.get()) >= 0 &&
            nftnl_table_get_str(table.get(), NFTNL_TABLE_NAME) == name)
            found = true;
    });
    if (!done)
        return done.error();
    return found;
}

Result<std::vector<SetSpec>> list_sets(Socket& socket, const std::string& table) {
    std::vector<SetSpec> found;
    const Set request = make_set(table);
    auto done = socket.dump(
        NFT_MSG_GETSET, [&](nlmsghdr* h) { nftnl_set_nlmsg_build_payload(h, request.get()); },
        [&](const nlmsghdr* h) {
            const Set set(nftnl_set_alloc());
            if (!set || nftnl_set_nlmsg_parse(h, set.get()) < 0)
                return;
            // The kernel leaves the attribute out where there are no flags.
            const bool flags = nftnl_set_is_set(set.get(), NFTNL_SET_FLAGS);
            found.push_back({.name = nftnl_set_get_str(set.get(), NFTNL_SET_NAME),
                             .type = nftnl_set_get_u32(set.get(), NFTNL_SET_KEY_TYPE),
                             .key_size = nftnl_set_get_u32(set.get(), NFTNL_SET_KEY_LEN),
                             .flags = flags ? nftnl_set_get_u32(set.get(), NFTNL_SET_FLAGS) : 0});
        });
    if (!done)
        return done.error();
    return found;
}

Result<std::vector<std::string>> list_chains(Socket& socket, const std::string& table) {
    std::vector<std::string> found;
    auto done = socket.dump(NFT_MSG_GETCHAIN, {}, [&](const nlmsghdr* h) {
        const Chain chain(nftnl_chain_alloc());
        if (chain && nftnl_chain_nlmsg_parse(h, chain.get()) >= 0 &&
            nftnl_chain_get_str(chain.get(), NFTNL_CHAIN_TABLE) == table)
            found.emplace_back(nftnl_chain_get_str(chain.get(), NFTNL_CHAIN_NAME));
    });
    if (!done)
        return done.error();
    return found;
}

} // namespace xk::nft
