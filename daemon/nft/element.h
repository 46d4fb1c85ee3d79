// SPDX-License-Identifier: MIT
//
// Elements of our sets: how keys, time-outs and user data are laid out in netlink, both ways. "nft list" shows an
// element's comment. `data` is a second, private attribute of its user data, in which the daemon keeps what it must
// find again after a restart. All keys are in network byte order.
#pragma once

#include "daemon/nft/sets.h"
#include "daemon/nft/transaction.h"
#include "protocol/base/address.h"
#include "protocol/service.h"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace xk::nft {

// Bytes. The kernel keeps at most 256 bytes of user data (NFT_USERDATA_MAXLEN): two attributes with two bytes of header
// each, and the comment's terminator.
inline constexpr std::size_t kMaxData = 128;
inline constexpr std::size_t kMaxComment = 256 - 2 - kMaxData - 2 - 1;

// "source . protocol . port", each field padded to 32 bits: 12 bytes for IPv4, 24 for IPv6.
std::vector<std::uint8_t> grant_key(const Address& source, const Endpoint& endpoint);
// "source . target . protocol . port", both of one family: 16 bytes for IPv4, 40 for IPv6.
std::vector<std::uint8_t> forward_key(const Address& source, const Address& target, const Endpoint& endpoint);
// "target . protocol . port" of a host behind this one is laid out as grant_key() lays out a source.
struct GrantKey {
    Address source;
    Address target; // unspecified where the key has none
    Endpoint endpoint;
};
// `forward`: the key has a target. Nothing where its size is another.
std::optional<GrantKey> parse_grant_key(const std::vector<std::uint8_t>& key, bool v4, bool forward);

// "protocol . port": 8 bytes.
std::vector<std::uint8_t> endpoint_key(const Endpoint& endpoint);

// 4 bytes for IPv4, 16 for IPv6.
std::vector<std::uint8_t> address_key(const Address& address);
// Nothing where the key has another size.
std::optional<Address> parse_address_key(const std::vector<std::uint8_t>& key);

// Adds the element. One that is there already stays as it is.
void add_element(Transaction& transaction, const SetName& set, const Element& element);

// Adds the element, or replaces time-out and user data of the one that is there. Linux before 6.12 does not refresh the
// time-out of an element that is added again, and to delete what is not there is an error; so: add, delete, add.
// Packets do not see the steps of a transaction.
void put_element(Transaction& transaction, const SetName& set, const Element& element);

// Deletes the element, whether it is there or not: add, delete.
void remove_element(Transaction& transaction, const SetName& set, std::vector<std::uint8_t> key);

// Deletes all elements.
void flush_set(Transaction& transaction, const SetName& set);

// Sets::list_set(); the error names the set.
Result<std::vector<Element>> list_elements(Sets& sets, const SetName& set);

// One list of a set, as the kernel gave it.
struct SetList {
    std::vector<Element> elements;
    std::size_t pieces = 0;                  // messages with elements; each is of one moment
    std::optional<std::uint16_t> generation; // Dump::generation()
};
// Lists a set until nothing can be missing: a list in one piece is complete. One in several pieces is repeated until it
// brings no element that the lists before it lacked, and the result has the elements of all. With a new generation of
// the ruleset it begins again. After kMostLists the result is what was found: packets may add elements without end.
inline constexpr int kMostLists = 8;
Result<std::vector<Element>> list_until_complete(const std::function<Result<SetList>()>& list_once);

// The elements of a set in a message of nf_tables. Nothing where it cannot be parsed.
struct ElementList {
    SetName set;
    std::vector<Element> elements; // none: all of the set
};
std::optional<ElementList> parse_elements(const nlmsghdr* message);

} // namespace xk::nft
