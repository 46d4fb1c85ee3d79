// SPDX-License-Identifier: MIT
#include "daemon/nft/element.h"

#include <arpa/inet.h>
#include <endian.h>
#include <libnftnl/set.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <map>
#include <utility>

namespace xk::nft {
namespace {

// nft(8) ignores attributes of element user data that it does not know; its own types count up from 0.
constexpr std::uint8_t kPrivateData = 0x78;

constexpr std::size_t kProtocolField = 4, kPortField = 4;

using Set = Handle<nftnl_set, nftnl_set_free>;

Set set_of(const SetName& name) {
    Set set(nftnl_set_alloc());
    if (!set)
        std::abort(); // out of memory
    nftnl_set_set_u32(set.get(), NFTNL_SET_FAMILY, NFPROTO_INET);
    nftnl_set_set_str(set.get(), NFTNL_SET_TABLE, name.table.c_str());
    nftnl_set_set_str(set.get(), NFTNL_SET_NAME, name.set.c_str());
    return set;
}

// The comment of nft(8) and our own data, as attributes: type, length, and as many bytes.
std::vector<std::uint8_t> user_data(const Element& element) {
    std::vector<std::uint8_t> out;
    const auto put = [&](std::uint8_t type, const auto& value, std::size_t size) {
        out.push_back(type);
        out.push_back(static_cast<std::uint8_t>(size));
        out.insert(out.end(), value.data(), value.data() + size);
    };
    if (!element.comment.empty()) {
        put(NFTNL_UDATA_SET_ELEM_COMMENT, element.comment, std::min(element.comment.size(), kMaxComment));
        out.push_back(0);
        ++out[1];
    }
    if (!element.data.empty() && element.data.size() <= kMaxData)
        put(kPrivateData, element.data, element.data.size());
    return out;
}

int parse_user_data(const nftnl_udata* attribute, void* to) {
    auto* const element = static_cast<Element*>(to);
    const auto* const value = static_cast<const char*>(nftnl_udata_get(attribute));
    const std::size_t size = nftnl_udata_len(attribute);
    if (nftnl_udata_type(attribute) == NFTNL_UDATA_SET_ELEM_COMMENT)
        element->comment.assign(value, ::strnlen(value, size));
    else if (nftnl_udata_type(attribute) == kPrivateData)
        element->data.assign(value, value + size);
    return 0;
}

Element element_of(nftnl_set_elem* from) {
    Element element;
    std::uint32_t size = 0;
    if (const auto* key = static_cast<const std::uint8_t*>(nftnl_set_elem_get(from, NFTNL_SET_ELEM_KEY, &size)))
        element.key.assign(key, key + size);
    if (nftnl_set_elem_is_set(from, NFTNL_SET_ELEM_FLAGS))
        element.interval_end = (nftnl_set_elem_get_u32(from, NFTNL_SET_ELEM_FLAGS) & NFT_SET_ELEM_INTERVAL_END) != 0;
    if (nftnl_set_elem_is_set(from, NFTNL_SET_ELEM_TIMEOUT))
        element.timeout = std::chrono::milliseconds(nftnl_set_elem_get_u64(from, NFTNL_SET_ELEM_TIMEOUT));
    if (nftnl_set_elem_is_set(from, NFTNL_SET_ELEM_EXPIRATION))
        element.expires = std::chrono::milliseconds(nftnl_set_elem_get_u64(from, NFTNL_SET_ELEM_EXPIRATION));
    if (const auto* data = nftnl_set_elem_get(from, NFTNL_SET_ELEM_USERDATA, &size))
        nftnl_udata_parse(data, size, parse_user_data, &element);
    return element;
}

// Written by hand: libnftnl's objects for it cost as much time as the kernel needs for the element.
void add_message(Transaction& transaction, std::uint16_t type, std::uint16_t flags, const SetName& name,
                 const Element& element, bool whole) {
    transaction.add(type, flags, [&](nlmsghdr* h) {
        mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, name.table.c_str());
        mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, name.set.c_str());
        nlattr* const list = mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS);
        nlattr* const one = mnl_attr_nest_start(h, NFTA_LIST_ELEM);
        if (element.interval_end)
            mnl_attr_put_u32(h, NFTA_SET_ELEM_FLAGS, htonl(NFT_SET_ELEM_INTERVAL_END));
        if (whole && element.timeout)
            mnl_attr_put_u64(h, NFTA_SET_ELEM_TIMEOUT, htobe64(static_cast<std::uint64_t>(element.timeout->count())));
        nlattr* const key = mnl_attr_nest_start(h, NFTA_SET_ELEM_KEY);
        mnl_attr_put(h, NFTA_DATA_VALUE, element.key.size(), element.key.data());
        mnl_attr_nest_end(h, key);
        if (const auto data = whole ? user_data(element) : std::vector<std::uint8_t>(); !data.empty())
            mnl_attr_put(h, NFTA_SET_ELEM_USERDATA, data.size(), data.data());
        mnl_attr_nest_end(h, one);
        mnl_attr_nest_end(h, list);
    });
}

// The time-out of elements that exist only within a transaction. If one ever stays, it ends by itself.
constexpr std::chrono::milliseconds kMoment{1000};

} // namespace

std::vector<std::uint8_t> address_key(const Address& address) {
    return {address.bytes.begin() + (address.is_v4() ? 12 : 0), address.bytes.end()};
}

std::vector<std::uint8_t> endpoint_key(const Endpoint& endpoint) {
    std::vector<std::uint8_t> key(kProtocolField + kPortField, 0);
    key[0] = static_cast<std::uint8_t>(endpoint.protocol);
    key[kProtocolField] = static_cast<std::uint8_t>(endpoint.port >> 8);
    key[kProtocolField + 1] = static_cast<std::uint8_t>(endpoint.port);
    return key;
}

std::vector<std::uint8_t> grant_key(const Address& source, const Endpoint& endpoint) {
    std::vector<std::uint8_t> key = address_key(source);
    const auto rest = endpoint_key(endpoint);
    key.insert(key.end(), rest.begin(), rest.end());
    return key;
}

std::vector<std::uint8_t> forward_key(const Address& source, const Address& target, const Endpoint& endpoint) {
    std::vector<std::uint8_t> key = address_key(source);
    const auto rest = grant_key(target, endpoint);
    key.insert(key.end(), rest.begin(), rest.end());
    return key;
}

std::optional<Address> parse_address_key(const std::vector<std::uint8_t>& key) {
    if (key.size() == 4)
        return Address::v4(key[0], key[1], key[2], key[3]);
    if (key.size() != 16)
        return std::nullopt;
    Address address;
    std::copy(key.begin(), key.end(), address.bytes.begin());
    return address;
}

std::optional<GrantKey> parse_grant_key(const std::vector<std::uint8_t>& key, bool v4, bool forward) {
    constexpr std::size_t kRest = kProtocolField + kPortField;
    const std::size_t address = v4 ? 4 : 16;
    const std::size_t addresses = forward ? 2 * address : address;
    if (key.size() != addresses + kRest)
        return std::nullopt;
    const auto at = [&](std::size_t offset) { return key.begin() + static_cast<std::ptrdiff_t>(offset); };
    GrantKey parsed;
    parsed.source = *parse_address_key({at(0), at(address)});
    if (forward)
        parsed.target = *parse_address_key({at(address), at(addresses)});
    const auto port =
        static_cast<std::uint16_t>(key[addresses + kProtocolField] << 8 | key[addresses + kProtocolField + 1]);
    parsed.endpoint = {static_cast<IpProtocol>(key[addresses]), port};
    return parsed;
}

void add_element(Transaction& transaction, const SetName& set, const Element& element) {
    add_message(transaction, NFT_MSG_NEWSETELEM, NLM_F_CREATE, set, element, true);
}

void remove_element(Transaction& transaction, const SetName& set, std::vector<std::uint8_t> key) {
    Element element;
    element.key = std::move(key);
    element.timeout = kMoment;
    add_message(transaction, NFT_MSG_NEWSETELEM, NLM_F_CREATE, set, element, true);
    add_message(transaction, NFT_MSG_DELSETELEM, 0, set, element, false);
}

void put_element(Transaction& transaction, const SetName& set, const Element& element) {
    remove_element(transaction, set, element.key);
    add_element(transaction, set, element);
}

void flush_set(Transaction& transaction, const SetName& name) {
    const Set set = set_of(name);
    transaction.add(NFT_MSG_DELSETELEM, 0, [&](nlmsghdr* h) { nftnl_set_elems_nlmsg_build_payload(h, set.get()); });
}

std::optional<ElementList> parse_elements(const nlmsghdr* message) {
    const Set set(nftnl_set_alloc());
    if (!set || nftnl_set_elems_nlmsg_parse(message, set.get()) < 0)
        return std::nullopt;
    ElementList list;
    if (const char* const table = nftnl_set_get_str(set.get(), NFTNL_SET_TABLE))
        list.set.table = table;
    if (const char* const name = nftnl_set_get_str(set.get(), NFTNL_SET_NAME))
        list.set.set = name;
    const Handle<nftnl_set_elems_iter, nftnl_set_elems_iter_destroy> each(nftnl_set_elems_iter_create(set.get()));
    while (nftnl_set_elem* e = nftnl_set_elems_iter_next(each.get()))
        list.elements.push_back(element_of(e));
    return list;
}

Result<std::vector<Element>> list_until_complete(const std::function<Result<SetList>()>& list_once) {
    std::map<std::pair<std::vector<std::uint8_t>, bool>, Element> found; // by key, and whether it ends an interval
    std::optional<std::uint16_t> generation;
    for (int lists = 0; lists < kMostLists; ++lists) {
        auto list = list_once();
        if (!list)
            return list.error();
        if (list->pieces <= 1)
            return std::move(list->elements);
        const bool begins = list->generation != std::exchange(generation, list->generation);
        if (begins)
            found.clear();
        const std::size_t before = found.size();
        for (Element& element : list->elements)
            found.insert_or_assign({element.key, element.interval_end}, std::move(element));
        if (!begins && found.size() == before)
            break;
    }
    std::vector<Element> elements;
    for (auto& [key, element] : found)
        elements.push_back(std::move(element));
    return elements;
}

Result<std::vector<Element>> Socket::list_set(const SetName& name) {
    const Set request = set_of(name);
    return list_until_complete([&]() -> Result<SetList> {
        auto dump =
            whole_dump(NFT_MSG_GETSETELEM, [&](nlmsghdr* h) { nftnl_set_elems_nlmsg_build_payload(h, request.get()); });
        if (!dump)
            return dump.error();
        SetList list{{}, 0, dump->generation()};
        dump->for_each_message([&](const nlmsghdr* h) {
            auto piece = parse_elements(h);
            if (!piece || piece->elements.empty())
                return;
            std::ranges::move(piece->elements, std::back_inserter(list.elements));
            ++list.pieces;
        });
        return list;
    });
}

Result<std::vector<Element>> list_elements(Sets& sets, const SetName& name) {
    auto elements = sets.list_set(name);
    if (!elements)
        return std::move(elements).error().within("listing set " + name.set);
    return elements;
}

} // namespace xk::nft
