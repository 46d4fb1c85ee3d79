// SPDX-License-Identifier: MIT
#include "tools/knockctl/doctor/condition.h"

#include <algorithm>

namespace xk::tools {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxValues = 2000; // a larger set counts as "any"
constexpr IpProtocol kProtocols[] = {IpProtocol::tcp, IpProtocol::udp, IpProtocol::sctp};

std::set<IpProtocol> protocols_called(const json& value) {
    std::set<IpProtocol> found;
    for (const IpProtocol protocol : kProtocols)
        if (value == json(name_of(protocol)) || value == json(static_cast<unsigned>(protocol)))
            found.insert(protocol);
    return found;
}

Condition of_family(bool v4) {
    Condition condition;
    (v4 ? condition.v6 : condition.v4) = false;
    return condition;
}

Condition nothing() {
    Condition condition;
    condition.ports = {};
    return condition;
}

// One value of the field that `left` names. `understood` says whether it is one of those that
// narrow.
Condition of_payload(const json& payload, const json& value, bool& understood) {
    Condition condition;
    const std::string protocol = payload.value("protocol", ""), field = payload.value("field", "");
    if (protocol == "ip" || protocol == "ip6") {
        condition = of_family(protocol == "ip");
        if (field == "daddr") {
            if (const auto addresses = addresses_in(value)) {
                condition.destinations = {*addresses};
                understood = true;
            }
        } else if (field == "protocol" || field == "nexthdr") {
            condition.protocols = protocols_called(value);
            understood = true;
        }
        return condition;
    }
    if (const auto named = protocols_called(protocol); !named.empty())
        condition.protocols = named;
    if (const auto ports = ports_in(value); ports && (field == "dport" || field == "sport")) {
        (field == "dport" ? condition.ports : condition.source_ports) = *ports;
        understood = true;
    }
    return condition;
}

Condition of_meta(const std::string& key, const json& value, bool& understood) {
    Condition condition;
    understood = true;
    if (key == "l4proto")
        condition.protocols = protocols_called(value);
    else if (key == "nfproto" || key == "protocol")
        condition = value == "ipv4" || value == "ip" || value == 2     ? of_family(true)
                    : value == "ipv6" || value == "ip6" || value == 10 ? of_family(false)
                                                                       : condition;
    else if ((key == "iif" || key == "iifname") && value.is_string())
        condition.interface = value.get<std::string>();
    else
        understood = false;
    return condition;
}

Condition of_value(const json& left, const json& value, bool& understood) {
    if (!left.is_object() || left.empty())
        return {};
    const json& what = left.begin().value();
    if (left.begin().key() == "payload")
        return of_payload(what, value, understood);
    if (left.begin().key() == "meta" && what.is_object())
        return of_meta(what.value("key", ""), value, understood);
    return {};
}

// A field implies the packet's protocol and family by being named.
Condition of_field(const json& left) {
    Condition condition;
    if (!left.is_object() || !left.contains("payload"))
        return condition;
    const std::string protocol = left["payload"].value("protocol", "");
    if (protocol == "ip" || protocol == "ip6")
        condition = of_family(protocol == "ip");
    if (const auto named = protocols_called(protocol); !named.empty())
        condition.protocols = named;
    return condition;
}

Condition of_one(const json& left, const json& element, bool& understood);

Condition of_concat(const json& parts, const json& values, bool& understood) {
    Condition condition;
    if (!parts.is_array() || !values.is_array() || parts.size() != values.size())
        return condition;
    understood = true; // the whole may be too wide, which is allowed
    for (std::size_t i = 0; i < parts.size(); ++i) {
        bool part = false;
        condition = condition & of_one(parts[i], values[i], part);
    }
    return condition;
}

Condition of_one(const json& left, const json& element, bool& understood) {
    if (element.is_object() && element.contains("elem"))
        return of_one(left, element["elem"].value("val", json()), understood);
    if (left.is_object() && left.contains("concat"))
        return of_concat(left["concat"], element.is_object() ? element.value("concat", json()) : json(), understood);
    return of_value(left, element, understood);
}

// The values on the right; none where they are not known.
std::optional<std::vector<json>> values_of(const Ruleset& ruleset, const Chain& chain, const json& right) {
    const json* list = &right;
    if (right.is_string() && right.get_ref<const std::string&>().starts_with('@')) {
        list = ruleset.elements(chain.family, chain.table, right.get<std::string>().substr(1));
        if (list == nullptr)
            return std::nullopt;
    } else if (right.is_object() && right.contains("set")) {
        list = &right["set"];
    }
    std::vector<json> values;
    for (const json& value : list->is_array() ? *list : json::array({*list}))
        values.push_back(value.is_array() && value.size() == 2 ? value[0] : value); // of a map: its key
    return values;
}

} // namespace

// ---- addresses

std::optional<AddressRange> AddressRange::parse(const std::string& text) {
    if (const auto dash = text.find('-'); dash != text.npos) {
        const auto first = Address::parse(text.substr(0, dash)), last = Address::parse(text.substr(dash + 1));
        return first && last ? std::optional(AddressRange{*first, *last}) : std::nullopt;
    }
    const auto prefix = Prefix::parse(text);
    return prefix ? std::optional(of(*prefix)) : std::nullopt;
}

std::string AddressRange::text() const {
    if (first == last)
        return first.text();
    for (std::uint8_t length = 0; length < 128; ++length) {
        const Prefix prefix{first, length};
        if (prefix.last() == last && Prefix::parse(prefix.text()))
            return prefix.text();
    }
    return first.text() + "-" + last.text();
}

std::optional<AddressRange> addresses_in(const json& value) {
    if (value.is_string())
        return AddressRange::parse(value.get<std::string>());
    if (!value.is_object())
        return std::nullopt;
    if (const auto prefix = value.find("prefix"); prefix != value.end())
        return AddressRange::parse(prefix->value("addr", "") + "/" + std::to_string(prefix->value("len", 0)));
    if (const auto range = value.find("range"); range != value.end() && range->is_array() && range->size() == 2 &&
                                                (*range)[0].is_string() && (*range)[1].is_string())
        return AddressRange::parse((*range)[0].get<std::string>() + "-" + (*range)[1].get<std::string>());
    return std::nullopt;
}

std::optional<PortSet> ports_in(const json& value) {
    const auto number = [](const json& n) {
        return n.is_number_unsigned() ? n.get<std::uint64_t>() : std::uint64_t{70000};
    };
    if (value.is_number_unsigned())
        return PortSet::range(static_cast<std::uint32_t>(std::min<std::uint64_t>(number(value), 70000)),
                              static_cast<std::uint32_t>(std::min<std::uint64_t>(number(value), 70000)));
    if (!value.is_object() || !value.contains("range"))
        return std::nullopt;
    const json& range = value["range"];
    if (!range.is_array() || range.size() != 2 || number(range[0]) > 65535 || number(range[1]) > 65535)
        return std::nullopt;
    return PortSet::range(range[0].get<std::uint32_t>(), range[1].get<std::uint32_t>());
}

// ---- conditions

Condition Condition::operator&(const Condition& other) const {
    Condition both = *this;
    both.v4 = v4 && other.v4;
    both.v6 = v6 && other.v6;
    std::erase_if(both.protocols, [&](IpProtocol p) { return !other.protocols.contains(p); });
    both.ports = ports & other.ports;
    both.source_ports = source_ports & other.source_ports;
    if (!destinations) {
        both.destinations = other.destinations;
    } else if (other.destinations) {
        // Where two ranges overlap the first stands for both.
        std::erase_if(*both.destinations, [&](const AddressRange& a) {
            return std::ranges::none_of(*other.destinations, [&](const AddressRange& b) { return a.meets(b); });
        });
    }
    if (interface.empty())
        both.interface = other.interface;
    return both;
}

Condition Condition::operator|(const Condition& other) const {
    if (!is_possible() || !other.is_possible())
        return is_possible() ? *this : other;
    Condition either = *this;
    either.v4 = v4 || other.v4;
    either.v6 = v6 || other.v6;
    either.protocols.insert(other.protocols.begin(), other.protocols.end());
    either.ports = ports | other.ports;
    either.source_ports = source_ports | other.source_ports;
    if (destinations && other.destinations)
        either.destinations->insert(either.destinations->end(), other.destinations->begin(), other.destinations->end());
    else
        either.destinations.reset();
    if (interface != other.interface)
        either.interface.clear();
    return either;
}

bool Condition::goes_to(const Address& address) const {
    return !destinations || std::ranges::any_of(*destinations, [&](const AddressRange& r) { return r.has(address); });
}

std::string Condition::text(const PortSet& of) const {
    constexpr std::size_t kShown = 3;
    std::string text;
    if (protocols.size() < std::size(kProtocols))
        for (const IpProtocol protocol : protocols)
            text += (text.empty() ? "" : "+") + std::string(name_of(protocol));
    text += std::string(text.empty() ? "" : "/") + (of.is_all() ? "any port" : of.text());
    if (!destinations)
        return text;
    for (std::size_t i = 0; i < destinations->size() && i < kShown; ++i)
        text += (i == 0 ? " at " : ", ") + (*destinations)[i].text();
    return destinations->size() > kShown ? text + ", ..." : text;
}

Condition condition_of(const Ruleset& ruleset, const Chain& chain, const std::string& op, const json& left,
                       const json& right) {
    const Condition field = of_field(left);
    if (op == "<" || op == ">" || op == "<=" || op == ">=") {
        if (!right.is_number_unsigned())
            return field;
        const auto n = static_cast<std::uint32_t>(std::min<std::uint64_t>(right.get<std::uint64_t>(), 65535));
        const PortSet below = n == 0 ? PortSet() : PortSet::range(0, n - 1), from = PortSet::range(n, 65535);
        const PortSet ports = op == "<"    ? below
                              : op == ">=" ? from
                              : op == ">"  ? from & ~PortSet::range(n, n)
                                           : below | PortSet::range(n, n);
        Condition condition = field;
        if (left.is_object() && left.contains("payload") && left["payload"].value("field", "") == "dport")
            condition.ports = ports;
        return condition;
    }
    const auto values = values_of(ruleset, chain, right);
    if (!values || values->size() > kMaxValues)
        return field;
    Condition some = nothing();
    bool all_understood = true;
    for (const json& value : *values) {
        bool understood = false;
        some = some | of_one(left, value, understood);
        all_understood = all_understood && understood;
    }
    if (!all_understood)
        return field;
    if (op == "==" || op == "in")
        return some;
    // The complement is known of a port and of a protocol, where nothing else is compared.
    Condition rest = field;
    if (left.is_object() && left.contains("payload") && left["payload"].value("field", "") == "dport")
        rest.ports = ~some.ports;
    else if (left.is_object() && left.contains("meta") && left["meta"].value("key", "") == "l4proto")
        for (const IpProtocol protocol : some.protocols)
            rest.protocols.erase(protocol);
    return rest;
}

} // namespace xk::tools
