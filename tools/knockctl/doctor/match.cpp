// SPDX-License-Identifier: MIT
#include "tools/knockctl/doctor/match.h"

#include <algorithm>
#include <charconv>
#include <string_view>

namespace xk::tools {
namespace {

using nlohmann::json;
using Strings = std::vector<std::string>;

// The value of the packet in the field that a rule compares.
struct Field {
    enum class Kind { unknown, absent, known, source, destination } kind = Kind::unknown;
    std::optional<std::uint64_t> number = {};
    Strings words = {};
};
using Kind = Field::Kind;

Field known(std::uint64_t number) { return {Kind::known, number}; }
Field known(Strings words) { return {Kind::known, {}, std::move(words)}; }

Strings names_of_flag(std::uint64_t flag) {
    static constexpr const char* kNames[] = {"fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"};
    Strings names;
    for (std::size_t i = 0; i < std::size(kNames); ++i)
        if (flag >> i & 1)
            names.emplace_back(kNames[i]);
    return names;
}

constexpr std::uint64_t kSyn = 2, kDnat = 32; // TCP flags; IPS_DST_NAT

Field payload_field(const json& payload, const Packet& packet) {
    const std::string protocol = payload.value("protocol", ""), field = payload.value("field", "");
    const bool ip = protocol == "ip", ip6 = protocol == "ip6";
    if (ip || ip6) {
        if (ip != packet.v4)
            return {Kind::absent};
        if (field == "saddr" || field == "daddr")
            return {field == "saddr" ? Kind::source : Kind::destination};
        if (field == "protocol" || field == "nexthdr")
            return {Kind::known, static_cast<std::uint64_t>(packet.protocol), {std::string(name_of(packet.protocol))}};
        if (field == "frag-off")
            return known(0);
        return {};
    }
    if (protocol != "th" && protocol != name_of(packet.protocol))
        // A field below IP, or of another protocol than this packet's.
        return {protocol == "ether" || protocol == "vlan" || protocol.empty() ? Kind::unknown : Kind::absent};
    if (field == "dport" && packet.port)
        return known(*packet.port);
    if (field == "flags" && protocol == "tcp")
        return {Kind::known, kSyn, {"syn"}};
    return {};
}

Field meta_field(const std::string& key, const Packet& packet) {
    if (key == "l4proto")
        return {Kind::known, static_cast<std::uint64_t>(packet.protocol), {std::string(name_of(packet.protocol))}};
    if (key == "nfproto")
        return {Kind::known, packet.v4 ? 2 : 10, {packet.v4 ? "ipv4" : "ipv6"}};
    if (key == "protocol")
        return {Kind::known, packet.v4 ? 0x0800 : 0x86dd, {packet.v4 ? "ip" : "ip6"}};
    if (key == "iif" || key == "iifname")
        return known({packet.interface});
    if (key == "oif" || key == "oifname") // of a packet that comes in: none yet
        return {packet.forwarded ? Kind::unknown : Kind::absent};
    if (key == "pkttype")
        return known({"host", "unicast"});
    return {};
}

Field field_of(const json& left, const Packet& packet) {
    if (!left.is_object() || left.empty())
        return {};
    const std::string kind = left.begin().key();
    const json& what = left.begin().value();
    if (kind == "payload")
        return payload_field(what, packet);
    if (kind == "meta")
        return meta_field(what.value("key", ""), packet);
    if (kind == "exthdr") // of IPv6: an ordinary packet has none
        return {Kind::absent};
    if (kind == "ct") {
        const std::string key = what.value("key", "");
        if (key == "state")
            return {Kind::known, 8, {"new"}};
        if (key == "direction")
            return known({"original"});
        if (key == "status")
            return packet.translated ? Field{Kind::known, kDnat, {"dnat"}} : Field{Kind::known, 0, {}};
        return {};
    }
    if (kind == "fib") {
        const json flags = what.value("flags", json::array());
        const bool of_source = flags == "saddr" || std::ranges::find(flags, "saddr") != flags.end();
        if (what.value("result", "") == "type")
            return known({of_source || packet.elsewhere || packet.forwarded ? "unicast" : "local"});
        return of_source ? Field{Kind::known, 1, {packet.interface}} : Field{};
    }
    return {};
}

// The bit of a TCP flag or of a connection's status (linux/netfilter/nf_conntrack_common.h). No word names both.
std::optional<std::uint64_t> flag_called(const std::string& word) {
    static constexpr std::string_view kStatus[] = {"expected", "seen-reply", "assured", "confirmed", "snat", "dnat"};
    for (unsigned bit = 0; bit < 8; ++bit)
        if (names_of_flag(1u << bit) == Strings{word} || (bit < std::size(kStatus) && kStatus[bit] == word))
            return 1u << bit;
    return std::nullopt;
}

// Flags are written as one word, a list of them, or a number.
std::optional<std::uint64_t> number_of(const json& value) {
    if (value.is_number_unsigned() || value.is_number_integer())
        return value.get<std::uint64_t>();
    if (value.is_boolean())
        return value.get<bool>() ? 1 : 0;
    if (value.is_object() && value.contains("|"))
        return number_of(value.at("|"));
    std::uint64_t sum = 0;
    for (const json& word : value.is_array() ? value : json::array({value})) {
        const auto flag = word.is_string() ? flag_called(word.get<std::string>()) : std::nullopt;
        if (!flag)
            return std::nullopt;
        sum |= *flag;
    }
    return sum;
}

// Returns the addresses that a rule names; nothing where it is written in another way.
std::optional<Prefix> prefix_of(const json& value) {
    std::string text;
    if (value.is_string())
        text = value.get<std::string>();
    else if (value.is_object() && value.contains("prefix"))
        text = value["prefix"].value("addr", "") + "/" + std::to_string(value["prefix"].value("len", 0));
    auto prefix = Prefix::parse(text);
    return prefix ? std::optional(*prefix) : std::nullopt;
}

Truth source_is(const json& value, const Packet& packet) {
    const auto prefix = prefix_of(value);
    if (!prefix)
        return Truth::maybe;
    const unsigned length = packet.v4 ? prefix->length - 96u : prefix->length;
    if (length == 0)
        return Truth::yes;
    for (const Prefix& never : packet.never_from)
        if (never.contains(*prefix))
            return Truth::no;
    // No pinhole is opened for loopback, link-local and the like.
    return prefix->address.is_grantable() ? Truth::maybe : Truth::no;
}

Truth destination_is(const json& value, const Packet& packet) {
    const auto prefix = prefix_of(value);
    if (!prefix || packet.destinations.empty())
        return Truth::maybe;
    return prefix->contains(*packet.destinations.begin()) ? Truth::yes : Truth::no;
}

bool word_is(const std::string& word, const std::string& pattern) {
    if (!pattern.empty() && pattern.back() == '*')
        return word.rfind(pattern.substr(0, pattern.size() - 1), 0) == 0;
    return word == pattern;
}

Truth scalar_is(const Field& field, const json& value, const Packet& packet) {
    if (field.kind == Kind::unknown)
        return Truth::maybe;
    if (field.kind == Kind::absent)
        return Truth::no;
    if (field.kind == Kind::source)
        return source_is(value, packet);
    if (field.kind == Kind::destination)
        return destination_is(value, packet);
    const auto truth = [](bool is) { return is ? Truth::yes : Truth::no; };
    if (value.is_object() && value.contains("range")) {
        const json& range = value["range"];
        if (!field.number || !range.is_array() || range.size() != 2 || !range[0].is_number() || !range[1].is_number())
            return Truth::maybe;
        return truth(*field.number >= range[0].get<std::uint64_t>() && *field.number <= range[1].get<std::uint64_t>());
    }
    if (value.is_string())
        return truth(std::ranges::any_of(
            field.words, [&](const std::string& word) { return word_is(word, value.get<std::string>()); }));
    const auto number = number_of(value);
    return number && field.number ? truth(*number == *field.number) : Truth::maybe;
}

class Comparison {
  public:
    Comparison(const Ruleset& ruleset, const Chain& chain, const Packet& packet)
        : ruleset_(ruleset), chain_(chain), packet_(packet) {}

    Truth equal(const json& left, const json& right) const {
        if (right.is_object() && right.contains("elem")) // with a time-out, a comment, a counter
            return equal(left, right["elem"].value("val", json()));
        if (right.is_object() && right.contains("set"))
            return any(left, right["set"]);
        if (right.is_string() && right.get_ref<const std::string&>().rfind('@', 0) == 0)
            return in_named(left, right.get<std::string>().substr(1));
        if (left.is_object() && left.contains("concat"))
            return concatenated(left["concat"], right);
        if (left.is_object() && left.contains("&"))
            return masked(left["&"], right);
        return scalar_is(field_of(left, packet_), right, packet_);
    }

    Truth compare(const std::string& op, const json& left, const json& right) const {
        if (is_absent(left)) // a rule about a missing field does not match
            return Truth::no;
        const Field field = field_of(left, packet_);
        const bool list = right.is_array() && !(left.is_object() && left.contains("&"));
        if (op == "==" || op == "!=") {
            const Truth is = list ? any(left, right) : equal(left, right);
            return op == "==" ? is : opposite(is);
        }
        if (op == "in" || op == "!") {
            if (field.kind != Kind::known)
                return Truth::maybe;
            const Truth some = any(left, right.is_array() ? right : json::array({right}));
            return op == "in" ? some : opposite(some);
        }
        if (field.kind != Kind::known || !field.number || !right.is_number())
            return Truth::maybe;
        const auto a = *field.number, b = right.get<std::uint64_t>();
        const bool is = op == "<" ? a < b : op == ">" ? a > b : op == "<=" ? a <= b : a >= b;
        return is ? Truth::yes : Truth::no;
    }

  private:
    bool is_absent(const json& left) const {
        for (const char* many : {"concat", "&"})
            if (left.is_object() && left.contains(many))
                return std::ranges::any_of(left[many], [&](const json& part) { return is_absent(part); });
        return field_of(left, packet_).kind == Kind::absent;
    }

    Truth any(const json& left, const json& elements) const {
        Truth truth = Truth::no;
        for (const json& element : elements)
            // An element of a map is its key and what stands for it.
            truth = either(truth, equal(left, element.is_array() && element.size() == 2 ? element[0] : element));
        return truth;
    }

    Truth in_named(const json& left, const std::string& name) const {
        const auto is_known = packet_.known_sets.find(chain_.family + " " + chain_.table + " " + name);
        if (is_known != packet_.known_sets.end())
            return is_known->second ? Truth::yes : Truth::no;
        const json* const elements = ruleset_.elements(chain_.family, chain_.table, name);
        return elements == nullptr ? Truth::maybe : any(left, *elements);
    }

    Truth concatenated(const json& parts, const json& right) const {
        const json values = right.is_object() ? right.value("concat", json()) : json();
        if (!values.is_array() || values.size() != parts.size())
            return Truth::maybe;
        Truth truth = Truth::yes;
        for (std::size_t i = 0; i < parts.size(); ++i)
            truth = both(truth, equal(parts[i], values[i]));
        return truth;
    }

    Truth masked(const json& parts, const json& right) const {
        if (!parts.is_array() || parts.size() != 2)
            return Truth::maybe;
        Field field = field_of(parts[0], packet_);
        const auto mask = number_of(parts[1]);
        if (field.kind != Kind::known || !field.number || !mask)
            return field.kind == Kind::absent ? Truth::no : Truth::maybe;
        field.number = *field.number & *mask;
        field.words = names_of_flag(*field.number);
        const auto wanted = number_of(right);
        return wanted ? (*wanted == *field.number ? Truth::yes : Truth::no) : Truth::maybe;
    }

    const Ruleset& ruleset_;
    const Chain& chain_;
    const Packet& packet_;
};

// Returns the text behind `word` in a rule of iptables, up to the next blank or in braces, or nothing where the word is
// missing. `negated` becomes true where "!=" or "!" precedes it.
std::string behind(const std::string& text, const std::string& word, bool& negated) {
    auto at = text.find(word + " ");
    if (at == text.npos)
        return {};
    at += word.size() + 1;
    negated = text[at] == '!';
    if (negated)
        at = text.find(' ', at) + 1;
    const auto end = text.find(text[at] == '{' ? '}' : ' ', at);
    std::string value = text.substr(at, end == text.npos ? end : end - at);
    value.erase(0, value.find_first_not_of("{ "));
    return value;
}

bool lists_port(const std::string& list, std::uint16_t port) {
    std::size_t at = 0;
    while (at < list.size()) {
        const char* const end = list.data() + list.size();
        unsigned from = 0;
        auto [next, failed] = std::from_chars(list.data() + at, end, from);
        unsigned to = from;
        if (failed == std::errc() && next != end && *next == '-')
            next = std::from_chars(next + 1, end, to).ptr;
        if (failed == std::errc() && port >= from && port <= to)
            return true;
        at = std::max(list.find_first_of(", ", at), at) + 1;
        at = std::min(list.find_first_of("0123456789", at), list.size());
    }
    return false;
}

// A module of iptables: its JSON says nothing but the name; the rule's text has the words of nft for the known ones.
Truth module_holds(const std::string& name, const std::string& text, const Packet& packet) {
    bool negated = false;
    const auto truth = [&](bool is) { return is != negated ? Truth::yes : Truth::no; };
    if (name == "comment")
        return Truth::yes;
    if (name == "rt" || name == "frag" || name == "ah" || name == "esp" || name == "hbh" || name == "dst")
        return Truth::no; // ordinary packets do not have these headers
    if (name == "conntrack" || name == "state") {
        if (const std::string states = behind(text, "ct state", negated); !states.empty())
            return truth(("," + states + ",").find(",new,") != std::string::npos);
        if (const std::string status = behind(text, "ct status", negated); !status.empty())
            return truth(false);
    }
    if (name == "addrtype") {
        if (const std::string type = behind(text, "fib daddr type", negated); !type.empty())
            return truth(type == "local");
        if (const std::string type = behind(text, "fib saddr type", negated); !type.empty())
            return truth(type == "unicast");
    }
    if (name == "multiport" && packet.port)
        if (const std::string ports = behind(text, "dport", negated); !ports.empty())
            return truth(lists_port(ports, *packet.port));
    if (name == "rpfilter") // the way back is the same
        return text.find("oif 0") != std::string::npos ? Truth::no : Truth::maybe;
    if (name == "pkttype")
        if (const std::string type = behind(text, "pkttype", negated); !type.empty())
            return truth(type == "host" || type == "unicast");
    return Truth::maybe;
}

// Asks `judge` for each address that the packet may be for. The answer is certain only where all of them agree.
template <typename Judge>
Truth for_each_destination(const Packet& packet, Judge judge) {
    if (packet.destinations.size() < 2)
        return judge(packet);
    Packet one = packet;
    Truth all = Truth::yes, some = Truth::no;
    for (const Address& address : packet.destinations) {
        one.destinations = {address};
        const Truth truth = judge(one);
        all = both(all, truth);
        some = either(some, truth);
    }
    return all == some ? all : Truth::maybe;
}

} // namespace

Truth holds(const Ruleset& ruleset, const Chain& chain, const Rule& rule, const json& statement, const Packet& packet) {
    const std::string kind = statement.begin().key();
    const json& what = statement.begin().value();
    if (kind == "match") {
        const std::string op = what.value("op", "==");
        const json left = what.value("left", json()), right = what.value("right", json());
        return for_each_destination(
            packet, [&](const Packet& p) { return Comparison(ruleset, chain, p).compare(op, left, right); });
    }
    if (kind == "xt" && what.is_object() && what.value("type", "") == "match")
        return module_holds(what.value("name", ""), rule.text, packet);
    static constexpr std::string_view kHarmless[] = {"counter",        "log",  "mangle",  "notrack",
                                                     "ct helper",      "flow", "comment", "ct timeout",
                                                     "ct expectation", "dup",  "secmark"};
    if (std::ranges::find(kHarmless, kind) != std::end(kHarmless))
        return Truth::yes;
    // A statement that puts the source into a set is no condition, unless it has a limit.
    if (kind == "set" && what.is_object() && !what.contains("stmt"))
        return Truth::yes;
    return Truth::maybe;
}

Truth key_is(const Ruleset& ruleset, const Chain& chain, const json& key, const json& element, const Packet& packet) {
    const auto is = [&](const Packet& p) { return Comparison(ruleset, chain, p).equal(key, element); };
    return for_each_destination(packet, is);
}

} // namespace xk::tools
