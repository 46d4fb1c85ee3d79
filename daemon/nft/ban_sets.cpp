// SPDX-License-Identifier: MIT
#include "daemon/nft/ban_sets.h"

#include "daemon/nft/ruleset.h"

#include <algorithm>

namespace xk::nft {
namespace {

// The first address behind a prefix; nothing at the end of the address space.
std::optional<Address> behind(const Prefix& prefix) {
    Address next = prefix.last();
    const std::size_t first = prefix.is_v4() ? 12 : 0;
    for (std::size_t i = 16; i-- > first;)
        if (++next.bytes[i] != 0)
            return next;
    return std::nullopt;
}

// nft(8) cannot escape a double quote in a comment: a saved listing with one would not load again.
std::string comment_of(std::string reason) {
    std::ranges::replace(reason, '"', '\'');
    return reason;
}

Element element_of(const Address& address, std::optional<std::chrono::milliseconds> time, const std::string& reason) {
    Element element;
    element.key = address_key(address);
    element.timeout = time;
    element.comment = comment_of(reason);
    return element;
}

// A network's private data: its length, because the kernel lists intervals and not prefixes; and the end of its time
// (boot time, ns, big-endian), because elements of interval sets have no time-out. A ban for ever has the length alone,
// as every network of the release before.
constexpr std::size_t kLength = 1, kLengthAndUntil = 9;

std::vector<std::uint8_t> data_of(const BannedNetwork& network) {
    std::vector<std::uint8_t> data = {network.prefix.length};
    if (!network.until)
        return data;
    Bytes<8> until;
    store_be<std::uint64_t>(until, static_cast<std::uint64_t>(network.until->time_since_epoch().count()));
    data.insert(data.end(), until.begin(), until.end());
    return data;
}

std::optional<BootTime> until_of(const std::vector<std::uint8_t>& data) {
    if (data.size() != kLengthAndUntil)
        return std::nullopt;
    Bytes<8> until;
    std::copy_n(data.begin() + kLength, until.size(), until.begin());
    return BootTime(std::chrono::nanoseconds(static_cast<std::int64_t>(load_be<std::uint64_t>(until))));
}

// The network of an element in the set of this family; nothing where no daemon wrote it: an end of an interval, private
// data of another form, a length that the family does not have, host bits.
std::optional<Prefix> network_of(const Element& element, bool v4) {
    const auto address = parse_address_key(element.key);
    if (!address || address->is_v4() != v4 || element.interval_end ||
        (element.data.size() != kLength && element.data.size() != kLengthAndUntil))
        return std::nullopt;
    const unsigned length = element.data[0], shortest = v4 ? 96 : 0;
    if (length < shortest || length > 128 || Prefix::around(*address, length).address != *address)
        return std::nullopt;
    return Prefix{*address, static_cast<std::uint8_t>(length)};
}

} // namespace

void put_banned_address(Transaction& transaction, const Address& address, std::optional<std::chrono::milliseconds> time,
                        const std::string& reason) {
    put_element(transaction, banned_set(address.is_v4()), element_of(address, time, reason));
}

void add_banned_address(Transaction& transaction, const Address& address, std::optional<std::chrono::milliseconds> time,
                        const std::string& reason) {
    add_element(transaction, banned_set(address.is_v4()), element_of(address, time, reason));
}

void remove_banned_address(Transaction& transaction, const Address& address) {
    remove_element(transaction, banned_set(address.is_v4()), address_key(address));
}

void write_banned_networks(Transaction& transaction, const std::vector<BannedNetwork>& networks) {
    for (const bool v4 : {true, false})
        flush_set(transaction, banned_networks_set(v4));
    const Prefix* outer = nullptr; // sorted: a network stands before those inside it
    for (const BannedNetwork& network : networks) {
        if (outer != nullptr && outer->contains(network.prefix))
            continue;
        outer = &network.prefix;
        const SetName set = banned_networks_set(network.prefix.is_v4());
        Element begin;
        begin.key = address_key(network.prefix.address);
        begin.comment = comment_of(network.reason);
        begin.data = data_of(network);
        add_element(transaction, set, begin);
        if (const auto end = behind(network.prefix)) {
            Element next;
            next.key = address_key(*end);
            next.interval_end = true;
            add_element(transaction, set, next);
        }
    }
}

void clear_bans(Transaction& transaction) {
    for (const bool v4 : {true, false})
        flush_set(transaction, banned_set(v4));
    write_banned_networks(transaction, {});
}

Result<std::map<Prefix, KeptBan>> read_bans(Sets& sets, BootTime now) {
    std::map<Prefix, KeptBan> bans;
    for (const bool v4 : {true, false}) {
        auto addresses = list_elements(sets, banned_set(v4));
        if (!addresses)
            return addresses.error();
        for (const Element& e : *addresses)
            if (const auto address = parse_address_key(e.key))
                bans[Prefix::of(*address)] = {e.comment, e.timeout ? std::optional(now + e.expires) : std::nullopt};
        auto networks = list_elements(sets, banned_networks_set(v4));
        if (!networks)
            return networks.error();
        for (const Element& e : *networks)
            if (const auto network = network_of(e, v4))
                bans[*network] = {e.comment, until_of(e.data)};
    }
    return bans;
}

} // namespace xk::nft
