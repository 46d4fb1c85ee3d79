// SPDX-License-Identifier: MIT
#include "daemon/nft/ruleset.h"

#include "daemon/nft/objects.h"
#include "daemon/nft/ruleset_rules.h"
#include "daemon/nft/ruleset_sets.h"

#include <linux/netfilter/nf_tables.h>

#include <algorithm>

namespace xk::nft {
namespace {

// Sets and chains of another configuration that this one does not want.
struct Leftover {
    std::vector<std::string> sets, chains;
};

Result<Leftover> find_leftover(Socket& socket, const RulesetSpec& spec) {
    const auto sets = list_sets(socket, kTable);
    if (!sets)
        return sets.error();
    const auto chains = list_chains(socket, kTable);
    if (!chains)
        return chains.error();
    Leftover leftover;
    const auto wanted_sets = sets_of(spec);
    for (const SetSpec& set : *sets)
        if (std::ranges::find(wanted_sets, set.name, &SetSpec::name) == wanted_sets.end())
            leftover.sets.push_back(set.name);
    const auto wanted_chains = chains_of(spec);
    for (const std::string& chain : *chains)
        if (std::ranges::find(wanted_chains, chain, &ChainSpec::name) == wanted_chains.end())
            leftover.chains.push_back(chain);
    return leftover;
}

// Makes the table, new or old, with its sets, chains and rules. Elements of lasting sets stay.
void build(Transaction& transaction, const RulesetSpec& spec, const Leftover& leftover) {
    add_table(transaction, kTable, spec.owned ? kOwnedTable : 0);
    std::uint32_t id = 0;
    for (const SetSpec& set : sets_of(spec))
        add_set(transaction, kTable, set, ++id);
    const auto chains = chains_of(spec);
    for (const ChainSpec& chain : chains)
        add_chain(transaction, kTable, chain);
    for (const ChainSpec& chain : chains)
        flush_chain(transaction, kTable, chain.name);
    for (const std::string& name : leftover.chains)
        flush_chain(transaction, kTable, name);
    write_protected_ports(transaction, spec);
    add_rules(transaction, spec);
    // The kernel deletes no set or chain that a rule still names.
    for (const std::string& name : leftover.sets)
        delete_set(transaction, kTable, name);
    for (const std::string& name : leftover.chains)
        delete_chain(transaction, kTable, name);
}

// Copies the elements that the set of this name holds now, as far as they fit its new shape.
Result<void> copy_elements(Socket& socket, Transaction& transaction, const SetSpec& set) {
    auto elements = list_elements(socket, {kTable, set.name});
    if (!elements)
        return elements.error();
    for (Element& element : *elements) {
        if (element.key.size() != set.key_size)
            continue;
        const bool timed = (set.flags & NFT_SET_TIMEOUT) != 0 && element.timeout;
        // A time-out of 0 means for ever to the kernel.
        element.timeout = timed ? std::optional(std::max(element.expires, std::chrono::milliseconds(1))) : std::nullopt;
        add_element(transaction, {kTable, set.name}, element);
    }
    return {};
}

// The table has another shape than ours: one transaction deletes it and puts ours in its place.
Result<void> replace_table(Socket& socket, const RulesetSpec& spec, const std::function<void(Transaction&)>& more) {
    Transaction transaction;
    add_table(transaction, kTable);
    delete_table(transaction, kTable);
    build(transaction, spec, {});
    for (const SetSpec& set : sets_of(spec))
        if (set.lasting)
            if (auto copied = copy_elements(socket, transaction, set); !copied)
                return copied;
    more(transaction);
    return socket.commit(std::move(transaction));
}

} // namespace

Result<bool> ruleset_exists(Socket& socket) {
    auto found = table_exists(socket, kTable);
    if (!found)
        return std::move(found).error().within("looking for table inet xknock");
    return found;
}

Result<void> install_ruleset(Socket& socket, const RulesetSpec& spec, const std::function<void(Transaction&)>& more) {
    auto leftover = find_leftover(socket, spec);
    if (!leftover)
        return std::move(leftover).error().within("reading table inet xknock");
    Transaction transaction;
    build(transaction, spec, *leftover);
    more(transaction);
    if (auto done = socket.commit(std::move(transaction)); done)
        return done;
    if (auto done = replace_table(socket, spec, more); !done)
        return std::move(done).error().within("installing table inet xknock");
    return {};
}

Result<void> remove_ruleset(Socket& socket) {
    // To delete a table that is not there is an error, so it is added first.
    Transaction transaction;
    add_table(transaction, kTable);
    delete_table(transaction, kTable);
    if (auto done = socket.commit(std::move(transaction)); !done)
        return std::move(done).error().within("removing table inet xknock");
    return {};
}

} // namespace xk::nft
