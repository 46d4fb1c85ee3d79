// SPDX-License-Identifier: MIT
#include "tools/knockctl/doctor/walk.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>

namespace xk::tools {
namespace {

using nlohmann::json;

constexpr int kDepth = 16;            // of jumps, as in the kernel (NFT_JUMP_STACK_SIZE)
constexpr unsigned kMaxRules = 50000; // a ruleset whose chains jump to each other very often would take for ever

// The effect of a verdict on the packet.
enum class Verdict { none, accept, drop, reject, jump, go_to, back, dnat, redirect, uncertain };

Verdict verdict_of(const std::string& word) {
    static const std::map<std::string_view, Verdict> kVerdicts = {
        {"accept", Verdict::accept},    {"drop", Verdict::drop},         {"reject", Verdict::reject},
        {"jump", Verdict::jump},        {"goto", Verdict::go_to},        {"return", Verdict::back},
        {"dnat", Verdict::dnat},        {"redirect", Verdict::redirect}, {"queue", Verdict::uncertain},
        {"tproxy", Verdict::uncertain}, {"synproxy", Verdict::accept},   {"fwd", Verdict::dnat},
        {"snat", Verdict::accept},      {"masquerade", Verdict::accept}};
    const auto found = kVerdicts.find(word);
    return found == kVerdicts.end() ? Verdict::none : found->second;
}

// Targets of iptables that nft knows by name only.
Verdict verdict_of_target(const std::string& name) {
    static const std::map<std::string_view, Verdict> kVerdicts = {
        {"REJECT", Verdict::reject},     {"DNAT", Verdict::dnat},        {"REDIRECT", Verdict::redirect},
        {"NFQUEUE", Verdict::uncertain}, {"TPROXY", Verdict::uncertain}, {"SYNPROXY", Verdict::accept},
        {"TARPIT", Verdict::drop},       {"NETMAP", Verdict::dnat}};
    const auto found = kVerdicts.find(name);
    return found == kVerdicts.end() ? Verdict::none : found->second; // LOG, MARK, CT, ...
}

class Walk {
  public:
    Walk(const Ruleset& ruleset, const Packet& packet, WalkResult& result)
        : ruleset_(ruleset), packet_(packet), result_(result) {}

    // Walks one chain. `reached`: whether the packet gets here. Returns whether it leaves the chain at its end.
    Truth through(const Chain& chain, Truth reached, int depth) {
        const unsigned ends_before = ends_;
        const Truth came = reached;
        Truth returned = Truth::no;
        for (const Rule& rule : chain.rules) {
            if (reached == Truth::no)
                break;
            if (depth > kDepth || ++rules_ > kMaxRules) {
                end(chain, "...", Verdict::uncertain, Truth::maybe);
                return Truth::maybe;
            }
            one(chain, rule, reached, returned, depth);
        }
        if (ends_ == ends_before)
            return came; // nothing in it can stop the packet
        return either(returned, reached) == Truth::no ? Truth::no : Truth::maybe;
    }

    void end(const Chain& chain, const std::string& rule, Verdict verdict, Truth hit) {
        if (hit == Truth::no)
            return;
        ++ends_;
        const Place place{chain.label(), rule};
        const auto add = [&](std::vector<Place>& places) {
            if (std::ranges::find(places, place) == places.end())
                places.push_back(place);
        };
        if (verdict == Verdict::drop || verdict == Verdict::reject || verdict == Verdict::uncertain)
            add(result_.drops);
        if (verdict == Verdict::drop)
            result_.silent = true;
        if (verdict == Verdict::drop || verdict == Verdict::reject)
            return;
        result_.passes = true;
        if (verdict == Verdict::accept || verdict == Verdict::uncertain)
            add(result_.accepts);
        if (verdict == Verdict::dnat) {
            result_.sent_elsewhere = place;
            result_.leaves = either(result_.leaves, hit);
        }
    }

  private:
    void one(const Chain& chain, const Rule& rule, Truth& reached, Truth& returned, int depth) {
        Truth holding = Truth::yes;
        for (const json& statement : rule.statements) {
            if (holding == Truth::no)
                return;
            if (!statement.is_object() || statement.empty())
                continue;
            const std::string word = statement.begin().key();
            const json& what = statement.begin().value();
            if (word == "vmap") {
                by_map(chain, rule, what, holding, reached, returned, depth);
                return;
            }
            const bool target = word == "xt" && what.is_object() && what.value("type", "") == "target";
            const Verdict verdict = target ? verdict_of_target(what.value("name", "")) : verdict_of(word);
            // nft leaves out that such a rule is for one family only.
            const std::string reject = word == "reject" && what.is_object() ? what.value("type", "") : "";
            if (reject == (packet_.v4 ? "icmpv6" : "icmp"))
                return;
            if (verdict != Verdict::none) {
                act(chain, rule, verdict, what, holding, reached, returned, depth);
                return;
            }
            if (word == "mangle" && what.is_object() && holding != Truth::no)
                rewrite(what, both(reached, holding));
            if (!target && word != "continue")
                holding = both(holding, holds(ruleset_, chain, rule, statement, packet_));
        }
    }

    void by_map(const Chain& chain, const Rule& rule, const json& vmap, Truth holding, Truth& reached, Truth& returned,
                int depth) {
        const json& data = vmap.value("data", json());
        const json* elements = nullptr;
        if (data.is_string())
            elements = ruleset_.elements(chain.family, chain.table, data.get<std::string>().substr(1));
        else if (data.is_object() && data.contains("set"))
            elements = &data["set"];
        if (elements == nullptr)
            return end(chain, rule.text, Verdict::uncertain, Truth::maybe);
        for (const json& element : *elements) {
            if (reached == Truth::no || !element.is_array() || element.size() != 2 || !element[1].is_object())
                continue;
            const Truth is = both(holding, key_is(ruleset_, chain, vmap.value("key", json()), element[0], packet_));
            if (is != Truth::no)
                act(chain, rule, verdict_of(element[1].begin().key()), element[1].begin().value(), is, reached,
                    returned, depth);
        }
    }

    void act(const Chain& chain, const Rule& rule, Verdict verdict, const json& what, Truth holding, Truth& reached,
             Truth& returned, int depth) {
        const Truth hit = both(reached, holding);
        // Where the rule may not apply, the packet may go on.
        const Truth missed = holding == Truth::yes ? Truth::no : Truth::maybe;
        if (verdict == Verdict::jump || verdict == Verdict::go_to) {
            const Chain* const target = ruleset_.find(chain.family, chain.table, what.value("target", ""));
            const Truth back = target == nullptr ? hit : through(*target, hit, depth + 1);
            if (verdict == Verdict::jump) {
                reached = back == hit ? reached : either(back, missed); // the jump changed nothing
            } else {
                returned = either(returned, back);
                reached = missed;
            }
            return;
        }
        if (verdict == Verdict::none)
            return;
        if (verdict == Verdict::back)
            returned = either(returned, hit);
        else
            end(chain, rule.text, verdict, hit);
        if (verdict == Verdict::redirect && hit != Truth::no)
            redirect(rule, what, hit);
        if (verdict == Verdict::reject && hit != Truth::no)
            (refuses_as_closed(rule, what) ? result_.refused_as_closed : result_.refused_otherwise) = true;
        reached = missed;
    }

    // "tcp dport set 22": the packet goes on with another port.
    void rewrite(const json& what, Truth hit) {
        const json key = what.value("key", json()), value = what.value("value", json());
        if (!key.is_object() || !key.contains("payload") || key["payload"].value("field", "") != "dport")
            return;
        result_.port_changed = true;
        if (hit == Truth::yes && value.is_number_unsigned() && value.get<std::uint64_t>() <= 65535)
            result_.port = value.get<std::uint16_t>();
    }

    // By default a rule refuses with ICMP port unreachable, which is what a closed UDP port says, and no TCP port.
    bool refuses_as_closed(const Rule& rule, const json& what) const {
        const bool target = what.is_object() && what.contains("name"); // of iptables: only the text says more
        const std::string type = !what.is_object() || target ? "" : what.value("type", ""),
                          reason = !what.is_object() || target ? "" : what.value("expr", "");
        const bool reset = type == "tcp reset" || (target && rule.text.find("tcp reset") != std::string::npos);
        if (packet_.protocol == IpProtocol::tcp)
            return reset;
        static constexpr std::string_view kOthers[] = {"prohibited", "host-unreachable", "net-unreachable", "no-route"};
        return !reset && std::ranges::none_of(kOthers, [&](std::string_view other) {
            return (target ? rule.text : reason).find(other) != std::string::npos;
        });
    }

    void redirect(const Rule& rule, const json& what, Truth hit) {
        result_.port_changed = true;
        if (hit != Truth::yes)
            return; // one port or the other
        if (what.is_object() && what.contains("port") && what["port"].is_number()) {
            result_.port = what["port"].get<std::uint16_t>();
        } else if (const auto at = rule.text.find("redirect to :"); at != std::string::npos) {
            std::uint16_t port = 0;
            const char* const begin = rule.text.data() + at + std::strlen("redirect to :");
            if (std::from_chars(begin, rule.text.data() + rule.text.size(), port).ec == std::errc())
                result_.port = port;
        }
    }

    const Ruleset& ruleset_;
    const Packet& packet_;
    WalkResult& result_;
    unsigned rules_ = 0, ends_ = 0;
};

} // namespace

WalkResult walk(const Ruleset& ruleset, const Chain& base, const Packet& packet) {
    WalkResult result;
    Walk walking(ruleset, packet, result);
    if (const Truth left = walking.through(base, Truth::yes, 0); left != Truth::no) {
        if (base.drops_at_end)
            walking.end(base, "policy drop", Verdict::drop, left);
        else
            result.passes = true;
    }
    return result;
}

bool meets(const Chain& base, const Packet& packet) {
    if (base.family == (packet.v4 ? "ip6" : "ip"))
        return false;
    return base.devices.empty() || std::ranges::find(base.devices, packet.interface) != base.devices.end();
}

} // namespace xk::tools
