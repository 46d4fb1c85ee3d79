// SPDX-License-Identifier: MIT
#include "tools/knockctl/doctor/ruleset.h"

#include "tools/knockctl/doctor/command.h"

#include <algorithm>
#include <sstream>
#include <string_view>
#include <utility>

namespace xk::tools {
namespace {

using nlohmann::json;

std::string key_of(const json& object, const char* name_field) {
    return object.value("family", "") + " " + object.value("table", "") + " " + object.value(name_field, "");
}

bool begins(const std::string& line, std::string_view with) { return line.rfind(with, 0) == 0; }

// The number behind the last " # handle " of a line, which is cut off there.
std::string cut_handle(std::string& line) {
    constexpr std::string_view kMark = " # handle ";
    const auto at = line.rfind(kMark);
    if (at == line.npos || line.find_first_not_of("0123456789", at + kMark.size()) != line.npos)
        return {};
    const std::string number = line.substr(at + kMark.size());
    line.erase(at);
    return number;
}

std::string without_counter(std::string rule) {
    constexpr std::string_view kCounter = "counter ";
    if (const auto at = rule.find(kCounter); at != rule.npos && (at == 0 || rule[at - 1] == ' '))
        rule.erase(at, kCounter.size());
    return rule;
}

// Rules by "family table handle", and the line of a base chain's hook by "family table chain NAME". A rule may be many
// lines long; its handle ends it.
std::map<std::string, std::string> texts_of(const std::string& listing) {
    std::map<std::string, std::string> texts;
    std::istringstream lines(listing);
    std::string line, table, chain, text;
    while (std::getline(lines, line)) {
        const std::string handle = cut_handle(line);
        if (begins(line, "table ")) {
            table = line.substr(6, line.find(" {") - 6) + " ";
            continue;
        }
        line.erase(0, std::min(line.find_first_not_of(" \t"), line.size()));
        if (begins(line, "chain "))
            chain = line.substr(0, line.find(" {"));
        if (begins(line, "type ") && line.find(" hook ") != line.npos)
            texts[table + chain] = std::exchange(line, {});
        if (begins(line, "chain ") || begins(line, "set ") || begins(line, "map ") || begins(line, "}") ||
            line.empty()) {
            text.clear();
            continue;
        }
        text += (text.empty() ? "" : " ") + line;
        if (!handle.empty())
            texts[table + handle] = without_counter(std::exchange(text, {}));
    }
    return texts;
}

// device "eth0" priority, or devices = { eth0, eth1 } priority: the JSON of nft 1.0 does not say it.
std::vector<std::string> devices_of(const std::string& hook) {
    std::vector<std::string> devices;
    const auto end = hook.find(" priority ");
    auto at = hook.find(" device");
    at = hook.find_first_of(" =", at == hook.npos ? at : at + 1);
    while ((at = hook.find_first_not_of("\" ={},", at)) < end) {
        const auto close = hook.find_first_of("\" ,}", at);
        devices.push_back(hook.substr(at, close - at));
        at = close;
    }
    return devices;
}

Chain chain_of(const json& object) {
    Chain chain;
    chain.family = object.value("family", "");
    chain.table = object.value("table", "");
    chain.name = object.value("name", "");
    chain.hook = object.value("hook", "");
    chain.type = object.value("type", "");
    chain.priority = object.value("prio", 0);
    chain.drops_at_end = object.value("policy", "") == "drop";
    if (const auto device = object.find("dev"); device != object.end())
        for (const json& each : device->is_array() ? *device : json::array({*device}))
            chain.devices.push_back(each.get<std::string>());
    return chain;
}

bool names(const json& value, const std::string& set) {
    if (value.is_string())
        return value.get_ref<const std::string&>() == set;
    return value.is_structured() &&
           std::any_of(value.begin(), value.end(), [&](const json& part) { return names(part, set); });
}

} // namespace

Result<Ruleset> Ruleset::read() {
    const auto list = [](std::vector<std::string> options) {
        options.insert(options.begin(), "nft");
        options.insert(options.end(), {"list", "ruleset"});
        return output_of(std::move(options));
    };
    auto as_json = list({"-j"}), as_text = list({"-a", "-s"});
    for (auto* each : {&as_json, &as_text})
        if (!*each)
            return Error{each->error().message, "try it: nft list ruleset; is nftables installed?"};
    return parse(*as_json, *as_text);
}

Result<Ruleset> Ruleset::parse(const std::string& as_json, const std::string& as_text) {
    const json parsed = json::parse(as_json, nullptr, false);
    if (parsed.is_discarded() || !parsed.is_object() || !parsed.contains("nftables"))
        return Error{"what nft says of the ruleset is not JSON", {}};
    const auto texts = texts_of(as_text);
    Ruleset ruleset;
    try {
        for (const json& object : parsed.at("nftables")) {
            if (const auto found = object.find("chain"); found != object.end()) {
                Chain chain = chain_of(*found);
                const auto hook = texts.find(chain.family + " " + chain.table + " chain " + chain.name);
                if (chain.devices.empty() && hook != texts.end())
                    chain.devices = devices_of(hook->second);
                ruleset.chains_[key_of(*found, "name")] = std::move(chain);
            }
            for (const char* kind : {"set", "map"})
                if (const auto set = object.find(kind); set != object.end())
                    ruleset.sets_[key_of(*set, "name")] = set->value("elem", json::array());
        }
        for (const json& object : parsed.at("nftables")) {
            const auto rule = object.find("rule");
            if (rule == object.end())
                continue;
            const auto text = texts.find(rule->value("family", "") + " " + rule->value("table", "") + " " +
                                         std::to_string(rule->value("handle", 0)));
            ruleset.chains_[key_of(*rule, "chain")].rules.push_back({rule->value("expr", json::array()),
                                                                     text == texts.end() ? "?" : text->second,
                                                                     rule->value("handle", 0u)});
        }
    } catch (const json::exception&) { // of a release of nft that we do not know
        return Error{"what nft says of the ruleset makes no sense", {}};
    }
    return ruleset;
}

const Chain* Ruleset::find(const std::string& family, const std::string& table, const std::string& chain) const {
    const auto found = chains_.find(family + " " + table + " " + chain);
    return found == chains_.end() ? nullptr : &found->second;
}

std::vector<const Chain*> Ruleset::all() const {
    std::vector<const Chain*> chains;
    for (const auto& [key, chain] : chains_)
        chains.push_back(&chain);
    return chains;
}

std::vector<const Chain*> Ruleset::on_the_way_in(const std::string& last_hook) const {
    const std::string hooks[] = {"ingress", "prerouting", last_hook};
    const auto position = [&](const Chain* chain) {
        return std::find(std::begin(hooks), std::end(hooks), chain->hook) - std::begin(hooks);
    };
    std::vector<const Chain*> chains;
    for (const auto& [key, chain] : chains_)
        if (position(&chain) < std::ssize(hooks) &&
            (chain.family == "ip" || chain.family == "ip6" || chain.family == "inet" || chain.family == "netdev"))
            chains.push_back(&chain);
    std::ranges::stable_sort(chains, [&](const Chain* a, const Chain* b) {
        return std::pair(position(a), a->priority) < std::pair(position(b), b->priority);
    });
    return chains;
}

const json* Ruleset::elements(const std::string& family, const std::string& table, const std::string& set) const {
    const auto found = sets_.find(family + " " + table + " " + set);
    return found == sets_.end() ? nullptr : &found->second;
}

std::vector<std::string> Ruleset::sets_of(const std::string& family, const std::string& table) const {
    const std::string prefix = family + " " + table + " ";
    std::vector<std::string> found;
    for (const auto& [key, elements] : sets_)
        if (key.starts_with(prefix))
            found.push_back(key.substr(prefix.size()));
    return found;
}

bool Ruleset::uses(const std::string& family, const std::string& table, const std::string& set) const {
    for (const auto& [key, chain] : chains_)
        if (chain.family == family && chain.table == table)
            for (const Rule& rule : chain.rules)
                if (names(rule.statements, "@" + set))
                    return true;
    return false;
}

} // namespace xk::tools
