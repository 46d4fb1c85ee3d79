// SPDX-License-Identifier: MIT
#include "daemon/nft/ruleset.h"

#include "daemon/nft/ended.h"
#include "daemon/nft/ruleset_rules.h"
#include "protocol/base/quote.h"

#include <libnftnl/chain.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <cstdlib>

namespace xk::nft {
namespace {

// nft's own numbers for data types (include/datatype.h), six bits each in a concatenation; the kernel
// only keeps them so that nft can list the set.
constexpr std::uint32_t kIpv4 = 7, kIpv6 = 8, kInetProto = 12, kInetService = 13;
template <typename... More>
constexpr std::uint32_t concat(std::uint32_t first, More... more) {
    std::uint32_t type = first;
    ((type = type << 6 | static_cast<std::uint32_t>(more)), ...);
    return type;
}

struct SetSpec {
    std::string name;
    std::uint32_t type;
    std::uint32_t key_size;
    std::uint32_t flags;
    bool lasting;           // its elements outlive a table that has to be made anew
    std::uint32_t size = 0; // most elements; 0: as many as there are
};

// Of a set that the packet path itself changes the kernel wants to know how large it may become.
constexpr std::uint32_t kMostElements = 65535;
// The kernel makes the buckets for all of them at once, which takes most of the time that a new table needs.
constexpr std::uint32_t kMostRemembered = 16384;

SetSpec spec_of(const PinholeSet& set) {
    const std::uint32_t ip = set.v4 ? kIpv4 : kIpv6, size = set.v4 ? 4 : 16;
    if (set.range)
        return {set.name.set, ip, size, NFT_SET_TIMEOUT, true};
    const std::uint32_t most = set.once ? kMostElements : 0;
    const std::uint32_t flags = NFT_SET_TIMEOUT | (set.once ? static_cast<std::uint32_t>(NFT_SET_EVAL) : 0u);
    if (set.forward)
        return {set.name.set, concat(ip, ip, kInetProto, kInetService), 2 * size + 8, flags, true, most};
    return {set.name.set, concat(ip, kInetProto, kInetService), size + 8, flags, true, most};
}

std::vector<SetSpec> sets_of(const RulesetSpec& spec) {
    std::vector<SetSpec> sets;
    constexpr std::uint32_t kRemembers = NFT_SET_EVAL | NFT_SET_TIMEOUT; // what the packet path enters
    const auto ranges = spec.ranges();
    for (const PinholeSet& set : pinhole_sets(ranges, spec.has_targets()))
        sets.push_back(spec_of(set));
    for (const bool v4 : {true, false}) {
        const std::uint32_t ip = v4 ? kIpv4 : kIpv6, size = v4 ? 4 : 16;
        sets.push_back({banned_set(v4).set, ip, size, NFT_SET_TIMEOUT, true});
        // Small, and written as a whole; no time-outs, which interval sets of older kernels handle badly.
        sets.push_back({banned_networks_set(v4).set, ip, size, NFT_SET_INTERVAL, true});
        sets.push_back({begun_set(v4).set, ip, size, kRemembers, false, kMostRemembered});
        for (const auto& [tuples, most] :
             {std::pair(flows_set(v4), kMostRemembered), std::pair(ended_set(v4), kMostElements)})
            sets.push_back({tuples.set, concat(ip, ip, kInetProto, kInetService, kInetService), 2 * size + 12,
                            kRemembers, true, most});
        if (spec.has_targets())
            sets.push_back({protected_targets_set(v4).set, concat(ip, kInetProto, kInetService), size + 8, 0, false});
        for (const bool forward : {false, true}) {
            if (!spec.has_limits() || (forward && !spec.has_targets()))
                continue;
            SetSpec counted = spec_of(
                set_of({v4 ? Address::v4(0, 0, 0, 0) : Address{}, forward ? Address::v4(0, 0, 0, 1) : Address{}, {}},
                       {}, false));
            sets.push_back(
                {connections_set(v4, forward).set, counted.type, counted.key_size, NFT_SET_EVAL, false, kMostElements});
        }
    }
    sets.push_back({protected_set().set, concat(kInetProto, kInetService), 8, 0, false});
    return sets;
}

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

// Flags of a table, newer than Debian 12's headers: NFT_TABLE_F_OWNER (5.12) ties it to the netlink socket that made
// it; with NFT_TABLE_F_PERSIST (6.9) it stays when that socket goes, and the next one may own it.
constexpr std::uint32_t kOwned = 0x2 | 0x4;

void table_message(Transaction& transaction, std::uint16_t type, std::uint16_t flags, std::uint32_t table_flags = 0,
                   const char* name = kTable) {
    const Table table = our_table();
    nftnl_table_set_str(table.get(), NFTNL_TABLE_NAME, name);
    if (table_flags != 0)
        nftnl_table_set_u32(table.get(), NFTNL_TABLE_FLAGS, table_flags);
    transaction.add(type, flags, [&](nlmsghdr* h) { nftnl_table_nlmsg_build_payload(h, table.get()); });
}

void add_set(Transaction& transaction, const SetSpec& spec, std::uint32_t id) {
    const Set set(nftnl_set_alloc());
    if (!set)
        std::abort(); // out of memory
    nftnl_set_set_u32(set.get(), NFTNL_SET_FAMILY, NFPROTO_INET);
    nftnl_set_set_str(set.get(), NFTNL_SET_TABLE, kTable);
    nftnl_set_set_str(set.get(), NFTNL_SET_NAME, spec.name.c_str());
    nftnl_set_set_u32(set.get(), NFTNL_SET_ID, id);
    nftnl_set_set_u32(set.get(), NFTNL_SET_KEY_TYPE, spec.type);
    nftnl_set_set_u32(set.get(), NFTNL_SET_KEY_LEN, spec.key_size);
    nftnl_set_set_u32(set.get(), NFTNL_SET_FLAGS, spec.flags);
    if (spec.size != 0)
        nftnl_set_set_u32(set.get(), NFTNL_SET_DESC_SIZE, spec.size);
    transaction.add(NFT_MSG_NEWSET, NLM_F_CREATE, [&](nlmsghdr* h) { nftnl_set_nlmsg_build_payload(h, set.get()); });
}

void delete_set(Transaction& transaction, const std::string& name) {
    const Set set(nftnl_set_alloc());
    nftnl_set_set_u32(set.get(), NFTNL_SET_FAMILY, NFPROTO_INET);
    nftnl_set_set_str(set.get(), NFTNL_SET_TABLE, kTable);
    nftnl_set_set_str(set.get(), NFTNL_SET_NAME, name.c_str());
    transaction.add(NFT_MSG_DELSET, 0, [&](nlmsghdr* h) { nftnl_set_nlmsg_build_payload(h, set.get()); });
}

Chain our_chain(const char* name) {
    Chain chain(nftnl_chain_alloc());
    if (!chain)
        std::abort(); // out of memory
    nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_FAMILY, NFPROTO_INET);
    nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_TABLE, kTable);
    nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_NAME, name);
    return chain;
}

void add_chain(Transaction& transaction, const ChainSpec& spec) {
    const Chain chain = our_chain(spec.name);
    if (spec.type != nullptr) {
        nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_TYPE, spec.type);
        nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_HOOKNUM, spec.hook);
        nftnl_chain_set_s32(chain.get(), NFTNL_CHAIN_PRIO, spec.priority);
        nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_POLICY, NF_ACCEPT);
    }
    transaction.add(NFT_MSG_NEWCHAIN, NLM_F_CREATE,
                    [&](nlmsghdr* h) { nftnl_chain_nlmsg_build_payload(h, chain.get()); });
}

void delete_chain(Transaction& transaction, const std::string& name) {
    const Chain chain = our_chain(name.c_str());
    transaction.add(NFT_MSG_DELCHAIN, 0, [&](nlmsghdr* h) { nftnl_chain_nlmsg_build_payload(h, chain.get()); });
}

void flush_chain(Transaction& transaction, const char* name) {
    const Handle<nftnl_rule, nftnl_rule_free> all(nftnl_rule_alloc());
    nftnl_rule_set_u32(all.get(), NFTNL_RULE_FAMILY, NFPROTO_INET);
    nftnl_rule_set_str(all.get(), NFTNL_RULE_TABLE, kTable);
    nftnl_rule_set_str(all.get(), NFTNL_RULE_CHAIN, name);
    transaction.add(NFT_MSG_DELRULE, 0, [&](nlmsghdr* h) { nftnl_rule_nlmsg_build_payload(h, all.get()); });
}

void fill_protected(Transaction& transaction, const RulesetSpec& spec) {
    const auto add = [&](const SetName& set, std::vector<std::uint8_t> key) {
        Element element;
        element.key = std::move(key);
        add_element(transaction, set, element);
    };
    for (const ProtectedPort& guard : spec.guards) {
        if (guard.is_local() && guard.ports.is_single()) // ranges have rules of their own
            add(protected_set(), endpoint_key(guard.ports.begin()));
        for (const Address& target : {guard.target4, guard.target6})
            if (target != Address{})
                add(protected_targets_set(target.is_v4()), grant_key(target, guard.ports.begin()));
    }
}

// What the table holds that another configuration brought and this one does not have.
struct Leftover {
    std::vector<std::string> sets, chains;
};

// Everything from the (new or old) table to its rules. Elements of the lasting sets stay.
void build(Transaction& transaction, const RulesetSpec& spec, const Leftover& leftover) {
    table_message(transaction, NFT_MSG_NEWTABLE, NLM_F_CREATE, spec.owned ? kOwned : 0);
    std::uint32_t id = 0;
    for (const SetSpec& set : sets_of(spec))
        add_set(transaction, set, ++id);
    const auto chains = chains_of(spec);
    for (const ChainSpec& chain : chains)
        add_chain(transaction, chain);
    for (const ChainSpec& chain : chains)
        flush_chain(transaction, chain.name);
    for (const std::string& name : leftover.chains)
        flush_chain(transaction, name.c_str());
    flush_set(transaction, protected_set());
    for (const bool v4 : {true, false})
        if (spec.has_targets())
            flush_set(transaction, protected_targets_set(v4));
    fill_protected(transaction, spec);
    add_rules(transaction, spec);
    for (const std::string& name : leftover.sets)
        delete_set(transaction, name);
    for (const std::string& name : leftover.chains)
        delete_chain(transaction, name);
}

// Another shape than ours has the name: one transaction takes it away and puts ours there, with the
// elements that were in sets of our names, as far as they fit.
Result<void> replace(Socket& socket, const RulesetSpec& spec) {
    Transaction transaction;
    table_message(transaction, NFT_MSG_NEWTABLE, NLM_F_CREATE);
    table_message(transaction, NFT_MSG_DELTABLE, 0);
    build(transaction, spec, {});
    for (const SetSpec& set : sets_of(spec)) {
        if (!set.lasting)
            continue;
        auto elements = list_elements(socket, {kTable, set.name});
        if (!elements)
            return elements.error();
        for (Element& element : *elements) {
            if (element.key.size() != set.key_size)
                continue;
            const bool timed = (set.flags & NFT_SET_TIMEOUT) != 0 && element.timeout;
            // 0 would be none to the kernel: for ever.
            element.timeout =
                timed ? std::optional(std::max(element.expires, std::chrono::milliseconds(1))) : std::nullopt;
            add_element(transaction, {kTable, set.name}, element);
        }
    }
    return socket.commit(std::move(transaction));
}

struct FoundSet {
    std::string name;
    std::uint32_t type = 0, key_size = 0, flags = 0;
};

Result<std::vector<FoundSet>> list_sets(Socket& socket, const std::string& table) {
    std::vector<FoundSet> found;
    auto done = socket.dump(
        NFT_MSG_GETSET,
        [&](nlmsghdr* h) {
            const Set request(nftnl_set_alloc());
            nftnl_set_set_u32(request.get(), NFTNL_SET_FAMILY, NFPROTO_INET);
            nftnl_set_set_str(request.get(), NFTNL_SET_TABLE, table.c_str());
            nftnl_set_nlmsg_build_payload(h, request.get());
        },
        [&](const nlmsghdr* h) {
            const Set set(nftnl_set_alloc());
            if (!set || nftnl_set_nlmsg_parse(h, set.get()) < 0)
                return;
            const bool flags = nftnl_set_is_set(set.get(), NFTNL_SET_FLAGS);
            found.push_back({nftnl_set_get_str(set.get(), NFTNL_SET_NAME),
                             nftnl_set_get_u32(set.get(), NFTNL_SET_KEY_TYPE),
                             nftnl_set_get_u32(set.get(), NFTNL_SET_KEY_LEN),
                             flags ? nftnl_set_get_u32(set.get(), NFTNL_SET_FLAGS) : 0});
        });
    if (!done)
        return done.error();
    return found;
}

Result<std::vector<std::string>> list_chains(Socket& socket) {
    std::vector<std::string> found;
    auto done = socket.dump(NFT_MSG_GETCHAIN, {}, [&](const nlmsghdr* h) {
        const Chain chain(nftnl_chain_alloc());
        if (chain && nftnl_chain_nlmsg_parse(h, chain.get()) >= 0 &&
            std::string_view(nftnl_chain_get_str(chain.get(), NFTNL_CHAIN_TABLE)) == kTable)
            found.emplace_back(nftnl_chain_get_str(chain.get(), NFTNL_CHAIN_NAME));
    });
    if (!done)
        return done.error();
    return found;
}

Result<Leftover> find_leftover(Socket& socket, const RulesetSpec& spec) {
    auto sets = list_sets(socket, kTable);
    if (!sets)
        return sets.error();
    auto chains = list_chains(socket);
    if (!chains)
        return chains.error();
    Leftover leftover;
    const auto wanted_sets = sets_of(spec);
    for (const FoundSet& set : *sets)
        if (std::ranges::none_of(wanted_sets, [&](const SetSpec& w) { return w.name == set.name; }))
            leftover.sets.push_back(set.name);
    const auto wanted_chains = chains_of(spec);
    for (const std::string& chain : *chains)
        if (std::ranges::none_of(wanted_chains, [&](const ChainSpec& w) { return w.name == chain; }))
            leftover.chains.push_back(chain);
    return leftover;
}

} // namespace

bool can_own(Socket& socket) {
    constexpr const char* kProbe = "xknock-probe";
    Transaction transaction;
    table_message(transaction, NFT_MSG_NEWTABLE, NLM_F_CREATE, kOwned, kProbe);
    table_message(transaction, NFT_MSG_DELTABLE, 0, 0, kProbe);
    return socket.commit(std::move(transaction)).has_value();
}

Result<bool> ruleset_exists(Socket& socket) {
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

Result<void> install_ruleset(Socket& socket, const RulesetSpec& spec, const std::function<void(Transaction&)>& more) {
    auto leftover = find_leftover(socket, spec);
    if (!leftover)
        return std::move(leftover).error().within("looking at table inet xknock");
    Transaction transaction;
    build(transaction, spec, *leftover);
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

Result<void> remove_ruleset(Socket& socket) {
    Transaction transaction;
    table_message(transaction, NFT_MSG_NEWTABLE, NLM_F_CREATE);
    table_message(transaction, NFT_MSG_DELTABLE, 0);
    if (auto done = socket.commit(std::move(transaction)); !done)
        return std::move(done).error().within("removing table inet xknock");
    return {};
}

Result<void> check_external_set(Socket& socket, const SetName& name, bool v4) {
    const std::string type = std::string(v4 ? "ipv4_addr" : "ipv6_addr") + " . inet_proto . inet_service";
    const std::string hint = "nft 'add set inet " + name.table + " " + name.set + " { type " + type +
                             "; flags timeout; }' and use it in a rule of yours";
    auto sets = list_sets(socket, name.table);
    if (!sets)
        return sets.error();
    const auto found = std::ranges::find_if(*sets, [&](const FoundSet& set) { return set.name == name.set; });
    const std::string where = "set " + in_quotes(name.set) + " in table inet " + in_quotes(name.table);
    if (found == sets->end())
        return Error{"there is no " + where, hint, Exit::configuration};
    const SetSpec ours = spec_of(set_of({v4 ? Address::v4(0, 0, 0, 0) : Address{}, {}, {}}, {}, false));
    if (found->type != ours.type || found->key_size != ours.key_size)
        return Error{where + " is not of type " + type, hint, Exit::configuration};
    if ((found->flags & NFT_SET_TIMEOUT) == 0)
        return Error{where + " has no flag timeout", hint, Exit::configuration};
    if (found->flags & NFT_SET_INTERVAL)
        return Error{where + " has flag interval", hint, Exit::configuration};
    return {};
}

} // namespace xk::nft
