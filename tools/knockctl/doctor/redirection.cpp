// SPDX-License-Identifier: MIT
#include "tools/knockctl/doctor/redirection.h"

#include "daemon/nft/pinhole_sets.h"

#include <algorithm>

namespace xk::tools {
namespace {

using nlohmann::json;

constexpr int kDepth = 16;                   // of jumps, as in the kernel (NFT_JUMP_STACK_SIZE)
constexpr std::size_t kMaxElements = 70'000; // of one map: each port once, and some
constexpr unsigned kMaxHops = 500'000;       // looked at; chains that jump to each other in breadth would not end

// ---- one rule of nft -j

class RuleReader {
  public:
    RuleReader(const Ruleset& ruleset, const Chain& chain, const Rule& rule, Course& course)
        : ruleset_(ruleset), chain_(chain), rule_(rule), course_(course),
          hops_(course.hops[chain.family + " " + chain.table + " " + chain.name]) {
        if (chain.family == "ip" || chain.family == "ip6")
            (chain.family == "ip" ? condition_.v6 : condition_.v4) = false;
    }

    void read() {
        Landing rewritten{.kind = Landing::Kind::rewrite};
        for (const json& statement : rule_.statements)
            if (statement.is_object() && !statement.empty() &&
                !one(statement.begin().key(), statement.begin().value(), rewritten))
                break;
        if (rewritten.address || rewritten.ports || rewritten.unknown)
            land(condition_, rewritten);
    }

  private:
    // False where the rule ends.
    bool one(const std::string& word, const json& what, Landing& rewritten) {
        if (word == "match") {
            condition_ = condition_ & condition_of(ruleset_, chain_, what.value("op", "=="), what.value("left", json()),
                                                   what.value("right", json()));
        } else if (word == "jump" || word == "goto") {
            jump(condition_, what.value("target", ""));
        } else if (word == "vmap") {
            each_of_map(what, [&](const Condition& condition, const json& verdict) {
                if (verdict.is_object() && (verdict.contains("jump") || verdict.contains("goto")))
                    jump(condition, verdict.begin().value().value("target", ""));
            });
        } else if (word == "redirect" || word == "dnat" || word == "tproxy") {
            translate(word == "redirect" ? Landing::Kind::redirect
                      : word == "dnat"   ? Landing::Kind::dnat
                                         : Landing::Kind::tproxy,
                      what);
            return word == "tproxy";
        } else if (word == "notrack") {
            land(condition_, {.kind = Landing::Kind::notrack});
        } else if (word == "mangle") {
            rewrite(what, rewritten);
        } else if (word == "xt" && what.is_object() && what.value("type", "") == "target") {
            module(what.value("name", ""));
        }
        return true;
    }

    void jump(const Condition& condition, const std::string& chain) {
        hops_.push_back({condition, chain_.family + " " + chain_.table + " " + chain, {}, rule_.text, place()});
    }
    void land(const Condition& condition, const Landing& landing) {
        hops_.push_back({condition, {}, landing, rule_.text, place()});
    }
    std::string place() const { return chain_.label() + " (handle " + std::to_string(rule_.handle) + ")"; }

    // Calls `act` with each of a map's elements: the condition under which it is chosen, and what
    // stands for the key.
    template <typename Act>
    void each_of_map(const json& map, Act act) {
        const json data = map.value("data", json());
        const json* elements = &data;
        if (data.is_string())
            elements = ruleset_.elements(chain_.family, chain_.table, data.get<std::string>().substr(1));
        else if (data.is_object() && data.contains("set"))
            elements = &data["set"];
        if (elements == nullptr || !elements->is_array())
            return;
        if (elements->size() > kMaxElements) {
            course_.complete = false;
            return;
        }
        const json key = map.value("key", json());
        for (const json& element : *elements)
            if (element.is_array() && element.size() == 2)
                act(condition_ & condition_of(ruleset_, chain_, "==", key, json::array({element[0]})), element[1]);
    }

    // An address, a port, or both in one map; each may be a map of its own.
    void translate(Landing::Kind kind, const json& what) {
        const std::string family = what.is_object() ? what.value("family", "") : "";
        if (!family.empty())
            (family == "ip" ? condition_.v6 : condition_.v4) = false;
        Landing landing{.kind = kind, .here = kind == Landing::Kind::redirect};
        expand(landing, what.is_object() ? what.value("addr", json()) : json(), condition_,
               [&](const Landing& addressed, const Condition& condition) {
                   expand(addressed, what.is_object() ? what.value("port", json()) : json(), condition,
                          [&](const Landing& whole, const Condition& c) { land(c, whole); });
               });
    }

    template <typename Done>
    void expand(const Landing& landing, const json& value, const Condition& condition, Done done) {
        if (!value.is_object() || !value.contains("map"))
            return done(with(landing, value), condition);
        each_of_map(value["map"],
                    [&](const Condition& chosen, const json& data) { done(with(landing, data), condition & chosen); });
    }

    // Takes in an address, a port, or a pair of them.
    static Landing with(Landing landing, const json& value) {
        if (value.is_null())
            return landing;
        if (value.is_object() && value.contains("concat")) {
            for (const json& part : value["concat"])
                landing = with(landing, part);
        } else if (value.is_object() && value.contains("elem")) {
            landing = with(landing, value["elem"].value("val", json()));
        } else if (const auto ports = ports_in(value)) {
            landing.ports = ports;
        } else if (const auto addresses = addresses_in(value)) {
            landing.address = addresses;
        } else {
            landing.unknown = true;
        }
        return landing;
    }

    // "tcp dport set 22": a translation without connection tracking.
    void rewrite(const json& what, Landing& rewritten) const {
        const json key = what.value("key", json()), value = what.value("value", json());
        const std::string field = key.is_object() && key.contains("payload") ? key["payload"].value("field", "") : "";
        if (field == "dport" || field == "daddr")
            rewritten = with(rewritten, value);
    }

    // A target of iptables that iptables-save said nothing about: nft(8) has a text for the most
    // common ones.
    void module(const std::string& name) {
        static const std::map<std::string, Landing::Kind> kKinds = {{"REDIRECT", Landing::Kind::redirect},
                                                                    {"DNAT", Landing::Kind::dnat},
                                                                    {"NETMAP", Landing::Kind::dnat},
                                                                    {"TPROXY", Landing::Kind::tproxy}};
        if (const auto kind = kKinds.find(name); kind != kKinds.end())
            land(condition_, {.kind = kind->second, .here = kind->second == Landing::Kind::redirect, .unknown = true});
        else if (rule_.text.ends_with("notrack"))
            land(condition_, {.kind = Landing::Kind::notrack});
    }

    const Ruleset& ruleset_;
    const Chain& chain_;
    const Rule& rule_;
    Course& course_;
    std::vector<Hop>& hops_;
    Condition condition_;
};

bool is_of_iptables(const Rule& rule) {
    return std::ranges::any_of(rule.statements, [](const json& s) { return s.is_object() && s.contains("xt"); });
}

// ---- from chain to chain

struct Following {
    const Course& course;
    const Course::Base* base = nullptr;
    std::vector<Redirection> found = {};
    unsigned hops = 0;
    bool complete = true;

    void through(const std::string& chain, const Condition& reached, int depth) {
        const auto hops_of = course.hops.find(chain);
        if (hops_of == course.hops.end())
            return;
        for (const Hop& hop : hops_of->second) {
            if (depth > kDepth || ++hops > kMaxHops) {
                complete = false;
                return;
            }
            const Condition here = reached & hop.condition;
            if (!here.is_possible() || here.interface == "lo")
                continue;
            if (hop.landing)
                found.push_back({here, *hop.landing, hop.rule, hop.place, base->hook, base->priority});
            else
                through(hop.jump, here, depth + 1);
        }
    }
};

} // namespace

Course course_of(const Ruleset& ruleset, const IptablesRules& iptables) {
    Course course;
    for (const Chain* chain : ruleset.all()) {
        if (chain->family == "inet" && chain->table == nft::kTable)
            continue;
        const std::string name = chain->family + " " + chain->table + " " + chain->name;
        if (chain->hook == "ingress" || chain->hook == "prerouting" || chain->hook == "input" ||
            chain->hook == "output")
            course.bases.push_back({name, chain->hook, chain->priority});
        std::vector<Hop>& hops = course.hops[name];
        const auto saved = iptables.find(name);
        const bool said = saved != iptables.end() && saved->second.size() == chain->rules.size();
        for (std::size_t i = 0; i < chain->rules.size(); ++i) {
            const Rule& rule = chain->rules[i];
            if (said && is_of_iptables(rule)) {
                Hop hop = iptables_hop(saved->second[i], chain->family + " " + chain->table, chain->family == "ip");
                hop.place = chain->label() + " (handle " + std::to_string(rule.handle) + ")";
                hops.push_back(std::move(hop));
            } else {
                RuleReader(ruleset, *chain, rule, course).read();
            }
        }
    }
    return course;
}

std::vector<Redirection> follow(const Course& course, bool& complete) {
    Following following{course};
    for (const Course::Base& base : course.bases) {
        following.base = &base;
        following.through(base.chain, {}, 0);
    }
    complete = complete && following.complete && course.complete;
    return std::move(following.found);
}

} // namespace xk::tools
