// SPDX-License-Identifier: MIT
#include "daemon/nft/fence.h"

#include "daemon/nft/rule.h"
#include "protocol/base/quote.h"

#include <libnftnl/chain.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <cstdlib>

namespace xk::nft {
namespace {

constexpr const char* kChain = "prerouting";
constexpr const char* kProtected = "protected";
constexpr std::int32_t kPriority = -150; // NF_IP_PRI_MANGLE: after conntrack (-200), before DNAT (-100)

// nft's own numbers for data types (include/datatype.h), six bits each in a concatenation; the kernel
// only keeps them so that nft can list the set.
constexpr std::uint32_t kIpv4 = 7, kIpv6 = 8, kInetProto = 12, kInetService = 13;
constexpr std::uint32_t concat(std::uint32_t a, std::uint32_t b) { return a << 6 | b; }
constexpr std::uint32_t concat(std::uint32_t a, std::uint32_t b, std::uint32_t c) {
    return concat(concat(a, b), c);
}

struct SetSpec {
    const char* name;
    std::uint32_t type;
    std::uint32_t key_size;
    std::uint32_t flags;
};

constexpr SetSpec kSets[] = {
    {"grants4", concat(kIpv4, kInetProto, kInetService), 12, NFT_SET_TIMEOUT},
    {"grants6", concat(kIpv6, kInetProto, kInetService), 24, NFT_SET_TIMEOUT},
    {"banned4", kIpv4, 4, NFT_SET_TIMEOUT},
    {"banned6", kIpv6, 16, NFT_SET_TIMEOUT},
    // Small, and written as a whole; no time-outs, which interval sets of older kernels handle badly.
    {"banned_networks4", kIpv4, 4, NFT_SET_INTERVAL},
    {"banned_networks6", kIpv6, 16, NFT_SET_INTERVAL},
    {kProtected, concat(kInetProto, kInetService), 8, 0},
};

// Sets whose elements outlive a table that has to be made anew.
constexpr const char* kLasting[] = {"grants4",          "grants6",          "banned4", "banned6",
                                    "banned_networks4", "banned_networks6"};

using Table = Handle<nftnl_table, nftnl_table_free>;
using Chain = Handle<nftnl_chain, nftnl_chain_free>;
using Set = Handle<nftnl_set, nftnl_set_free>;

Table our_table() {
    Table table(nftnl_table_alloc());
    if (!table)
        std::abort(); // out of memory
    nftnl_table_set_u32(table.get(), NFTNL_TABLE_FAMILY, NFPROTO_INET);
    nftnl_table_set_str(table.get(), NFTNL_TABLE_NAME, kTable);
    return table;
}

// Flags of a table, newer than Debian 12's headers: NFT_TABLE_F_OWNER (5.12) ties it to the netlink socket that made it;
// with NFT_TABLE_F_PERSIST (6.9) it stays when that socket goes, and the next one may own it.
constexpr std::uint32_t kOwned = 0x2 | 0x4;

void table_message(Transaction& transaction, std::uint16_t type, std::uint16_t flags, std::uint32_t table_flags = 0,
                   const char* name = kTable) {
    const Table table = our_table();
    nftnl_table_set_str(table.get(), NFTNL_TABLE_NAME, name);
    if (table_flags != 0)
        nftnl_table_set_u32(table.get(), NFTNL_TABLE_FLAGS, table_flags);
    transaction.add(type, flags,
                    [&](nlmsghdr* h) { nftnl_table_nlmsg_build_payload(h, table.get()); });
}

void add_set(Transaction& transaction, const SetSpec& spec, std::uint32_t id) {
    const Set set(nftnl_set_alloc());
    if (!set)
        std::abort(); // out of memory
    nftnl_set_set_u32(set.get(), NFTNL_SET_FAMILY, NFPROTO_INET);
    nftnl_set_set_str(set.get(), NFTNL_SET_TABLE, kTable);
    nftnl_set_set_str(set.get(), NFTNL_SET_NAME, spec.name);
    nftnl_set_set_u32(set.get(), NFTNL_SET_ID, id);
    nftnl_set_set_u32(set.get(), NFTNL_SET_KEY_TYPE, spec.type);
    nftnl_set_set_u32(set.get(), NFTNL_SET_KEY_LEN, spec.key_size);
    nftnl_set_set_u32(set.get(), NFTNL_SET_FLAGS, spec.flags);
    transaction.add(NFT_MSG_NEWSET, NLM_F_CREATE,
                    [&](nlmsghdr* h) { nftnl_set_nlmsg_build_payload(h, set.get()); });
}

Chain our_chain() {
    Chain chain(nftnl_chain_alloc());
    if (!chain)
        std::abort(); // out of memory
    nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_FAMILY, NFPROTO_INET);
    nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_TABLE, kTable);
    nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_NAME, kChain);
    return chain;
}

void add_chain(Transaction& transaction) {
    const Chain chain = our_chain();
    nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_TYPE, "filter");
    nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_HOOKNUM, NF_INET_PRE_ROUTING);
    nftnl_chain_set_s32(chain.get(), NFTNL_CHAIN_PRIO, kPriority);
    nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_POLICY, NF_ACCEPT);
    transaction.add(NFT_MSG_NEWCHAIN, NLM_F_CREATE,
                    [&](nlmsghdr* h) { nftnl_chain_nlmsg_build_payload(h, chain.get()); });
}

void flush_chain(Transaction& transaction) {
    const Handle<nftnl_rule, nftnl_rule_free> all(nftnl_rule_alloc());
    nftnl_rule_set_u32(all.get(), NFTNL_RULE_FAMILY, NFPROTO_INET);
    nftnl_rule_set_str(all.get(), NFTNL_RULE_TABLE, kTable);
    nftnl_rule_set_str(all.get(), NFTNL_RULE_CHAIN, kChain);
    transaction.add(NFT_MSG_DELRULE, 0,
                    [&](nlmsghdr* h) { nftnl_rule_nlmsg_build_payload(h, all.get()); });
}

void add_rules(Transaction& transaction, const FenceSpec& spec) {
    const auto rule = [] { return Rule(kTable, kChain); };
    rule().input_is_loopback().accept(transaction, "loopback");
    for (const Family family : {Family::v4, Family::v6}) {
        const bool v4 = family == Family::v4;
        rule().source_in_set(family, banned_set(v4).set).counter().drop(transaction, "banned");
        rule()
            .source_in_set(family, banned_networks_set(v4).set)
            .counter()
            .drop(transaction, "banned");
    }
    rule().established_or_related().accept(transaction, "sessions that exist");
    for (const Prefix& prefix : spec.allow)
        rule().source_in(prefix).accept(transaction, "gate.allow");
    for (const Family family : {Family::v4, Family::v6})
        rule()
            .source_protocol_port_in_set(family, grants_set(family == Family::v4).set)
            .accept(transaction, "granted");
    rule().for_this_host().protocol_port_in_set(kProtected).counter().drop(transaction, "protected");
    if (spec.silent_port)
        rule().udp_port(*spec.silent_port).for_this_host().counter().drop(transaction, "knock port");
}

// Everything from the (new or old) table to its rules. Elements of the lasting sets stay.
void build(Transaction& transaction, const FenceSpec& spec) {
    table_message(transaction, NFT_MSG_NEWTABLE, NLM_F_CREATE, spec.owned ? kOwned : 0);
    std::uint32_t id = 0;
    for (const SetSpec& set : kSets)
        add_set(transaction, set, ++id);
    add_chain(transaction);
    flush_chain(transaction);
    flush_set(transaction, {kTable, kProtected});
    for (const Endpoint& endpoint : spec.protect) {
        Element element;
        element.key = endpoint_key(endpoint);
        add_element(transaction, {kTable, kProtected}, element);
    }
    add_rules(transaction, spec);
}

// Another shape than ours has the name: one transaction takes it away and puts ours there, with the
// elements that were in sets of our names, as far as they fit.
Result<void> replace(Socket& socket, const FenceSpec& spec) {
    Transaction transaction;
    table_message(transaction, NFT_MSG_NEWTABLE, NLM_F_CREATE);
    table_message(transaction, NFT_MSG_DELTABLE, 0);
    build(transaction, spec);
    for (const char* name : kLasting) {
        auto elements = list_elements(socket, {kTable, name});
        if (!elements)
            return elements.error();
        const SetSpec& set = *std::find_if(std::begin(kSets), std::end(kSets),
                                           [&](const SetSpec& s) { return s.name == std::string_view(name); });
        for (Element& element : *elements) {
            if (element.key.size() != set.key_size)
                continue;
            const bool timed = set.flags == NFT_SET_TIMEOUT && element.timeout;
            // 0 would be none to the kernel: for ever.
            element.timeout = timed ? std::optional(std::max(element.expires, std::chrono::milliseconds(1))) : std::nullopt;
            add_element(transaction, {kTable, name}, element);
        }
    }
    return socket.commit(std::move(transaction));
}

struct FoundSet {
    std::uint32_t type = 0, key_size = 0, flags = 0;
};

Result<std::optional<FoundSet>> find_set(Socket& socket, const SetName& name) {
    std::optional<FoundSet> found;
    auto done = socket.dump(
        NFT_MSG_GETSET,
        [&](nlmsghdr* h) {
            const Set request(nftnl_set_alloc());
            nftnl_set_set_u32(request.get(), NFTNL_SET_FAMILY, NFPROTO_INET);
            nftnl_set_set_str(request.get(), NFTNL_SET_TABLE, name.table.c_str());
            nftnl_set_nlmsg_build_payload(h, request.get());
        },
        [&](const nlmsghdr* h) {
            const Set set(nftnl_set_alloc());
            if (!set || nftnl_set_nlmsg_parse(h, set.get()) < 0 ||
                name.set != nftnl_set_get_str(set.get(), NFTNL_SET_NAME))
                return;
            found = FoundSet{nftnl_set_get_u32(set.get(), NFTNL_SET_KEY_TYPE),
                             nftnl_set_get_u32(set.get(), NFTNL_SET_KEY_LEN),
                             nftnl_set_is_set(set.get(), NFTNL_SET_FLAGS)
                                 ? nftnl_set_get_u32(set.get(), NFTNL_SET_FLAGS)
                                 : 0};
        });
    if (!done)
        return done.error();
    return found;
}

} // namespace

bool can_own(Socket& socket) {
    constexpr const char* kProbe = "xknock-probe";
    Transaction transaction;
    table_message(transaction, NFT_MSG_NEWTABLE, NLM_F_CREATE, kOwned, kProbe);
    table_message(transaction, NFT_MSG_DELTABLE, 0, 0, kProbe);
    return socket.commit(std::move(transaction)).has_value();
}

Result<bool> fence_exists(Socket& socket) {
    bool found = false;
    auto done = socket.dump(NFT_MSG_GETTABLE, {}, [&](const nlmsghdr* h) {
        const Table table(nftnl_table_alloc());
        if (table && nftnl_table_nlmsg_parse(h, table.get()) >= 0 &&
            std::string_view(nftnl_table_get_str(table.get(), NFTNL_TABLE_NAME)) == kTable)
            found = true;
    });
    if (!done)
        return std::move(done).error().within("looking for table inet xknock");
    return found;
}

Result<void> install_fence(Socket& socket, const FenceSpec& spec, const std::function<void(Transaction&)>& more) {
    Transaction transaction;
    build(transaction, spec);
    more(transaction);
    if (auto done = socket.commit(std::move(transaction)); done)
        return done;
    auto done = replace(socket, spec);
    if (done) {
        Transaction rest;
        more(rest);
        done = socket.commit(std::move(rest));
    }
    if (!done)
        return std::move(done).error().within("installing table inet xknock");
    return {};
}

Result<void> remove_fence(Socket& socket) {
    Transaction transaction;
    table_message(transaction, NFT_MSG_NEWTABLE, NLM_F_CREATE);
    table_message(transaction, NFT_MSG_DELTABLE, 0);
    if (auto done = socket.commit(std::move(transaction)); !done)
        return std::move(done).error().within("removing table inet xknock");
    return {};
}

Result<void> check_external_set(Socket& socket, const SetName& name, bool v4) {
    const std::string type =
        std::string(v4 ? "ipv4_addr" : "ipv6_addr") + " . inet_proto . inet_service";
    const std::string hint = "nft 'add set inet " + name.table + " " + name.set + " { type " + type +
                             "; flags timeout; }' and use it in a rule of yours";
    auto found = find_set(socket, name);
    if (!found)
        return found.error();
    const std::string where = "set " + in_quotes(name.set) + " in table inet " + in_quotes(name.table);
    if (!*found)
        return Error{"there is no " + where, hint, Exit::configuration};
    const SetSpec& ours = kSets[v4 ? 0 : 1];
    if ((*found)->type != ours.type || (*found)->key_size != ours.key_size)
        return Error{where + " is not of type " + type, hint, Exit::configuration};
    if (((*found)->flags & NFT_SET_TIMEOUT) == 0)
        return Error{where + " has no flag timeout", hint, Exit::configuration};
    if ((*found)->flags & NFT_SET_INTERVAL)
        return Error{where + " has flag interval", hint, Exit::configuration};
    return {};
}

} // namespace xk::nft
