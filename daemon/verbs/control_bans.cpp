// SPDX-License-Identifier: MIT
#include "daemon/verbs/control_bans.h"

#include "daemon/lifecycle/daemon.h"
#include "daemon/log.h"
#include "protocol/base/duration.h"
#include "protocol/base/quote.h"

#include <algorithm>

namespace xk {
namespace {

using nlohmann::json;

json time_left(const std::optional<BootTime>& until, const Now& now) {
    return until ? json(seconds_left(*until, now.boot)) : json();
}

json owners_of(const Prefix& prefix, authz::BanClaims claims, const Now& now) {
    std::ranges::stable_sort(claims, [](const auto& a, const auto& b) { return authz::is_longer(a.until, b.until); });
    json owners = json::array();
    for (const authz::BanClaim& claim : claims) {
        json owner = {{"reason", claim.owner}, {"expires_in_s", time_left(claim.until, now)}};
        if (claim.named != prefix)
            owner["address"] = claim.named.text();
        owners.push_back(std::move(owner));
    }
    return owners;
}

json ban_json(const authz::BanBook& book, const Prefix& prefix, const Now& now) {
    const authz::Ban& ban = book.list().all().at(prefix);
    return {{"prefix", prefix.text()},
            {"expires_in_s", time_left(ban.until, now)},
            {"reason", ban.reason},
            {"owners", owners_of(prefix, book.claims_of(prefix), now)}};
}

// "prefix", or many of them as "prefixes": then those that make no sense are `refused`.
Result<std::vector<Prefix>> prefixes_of(const json& request, json& refused) {
    std::vector<Prefix> prefixes;
    if (!request.contains("prefixes")) {
        const auto prefix = Prefix::parse_logged(request.value("prefix", ""));
        if (!prefix)
            return Error{prefix.error().message, prefix.error().hint, Exit::usage};
        return std::vector<Prefix>{*prefix};
    }
    for (const json& text : request.at("prefixes")) {
        if (auto prefix = Prefix::parse_logged(text.get<std::string>()))
            prefixes.push_back(*prefix);
        else
            refused.push_back({{"prefix", text}, {"error", prefix.error().message}});
    }
    return prefixes;
}

Result<unsigned> ipv6_prefix_of(const json& request) {
    const json bits = request.value("ipv6_prefix", json(128u));
    if (!bits.is_number_unsigned() || bits < 32 || bits > 128)
        return Error{"\"ipv6_prefix\" is not a number of bits, 32 to 128", {}, Exit::usage};
    return bits.get<unsigned>();
}

Result<Banning::Family> family_of(const json& request) {
    const std::string family = request.value("family", "");
    if (family.empty())
        return Banning::Family::any;
    if (family == "inet4")
        return Banning::Family::v4;
    if (family == "inet6")
        return Banning::Family::v6;
    return Error{"there is no family " + in_quotes(family), "inet4, inet6", Exit::usage};
}

std::string by(const std::string& owner) { return owner.empty() ? "" : ": " + owner; }

Reply unban_all(Daemon& d, const std::optional<std::string>& owner, const json& request) {
    const auto family = family_of(request);
    if (!family)
        return family.error();
    const auto ended = d.banning().unban_all(*family, owner, d.worker(), Now::read());
    if (!ended)
        return ended.error();
    if (*ended != 0)
        spdlog::info("took away {} bans{}", *ended, owner ? " of one owner" + by(*owner) : "");
    return json{{"unbanned", *ended}};
}

} // namespace

Rows bans(Daemon& d) {
    d.banning().expire(Now::read(), d.worker());
    return {"bans", [&d, last = std::optional<Prefix>()]() mutable -> std::optional<json> {
                const auto& all = d.banning().book().all();
                const auto next = last ? all.upper_bound(*last) : all.begin();
                if (next == all.end())
                    return std::nullopt;
                last = next->first;
                return ban_json(d.banning().book(), *last, Now::read());
            }};
}

Reply ban(Daemon& d, const json& request) {
    json refused = json::array();
    const bool many = request.contains("prefixes");
    auto prefixes = prefixes_of(request, refused);
    if (!prefixes)
        return prefixes.error();
    const auto time = seconds_of(request);
    if (!time)
        return time.error();
    const auto ipv6_prefix = ipv6_prefix_of(request);
    if (!ipv6_prefix)
        return ipv6_prefix.error();
    const std::string reason = request.value("reason", "");
    const Now now = Now::read();
    const Banning::Request wish{*std::move(prefixes), *time, reason, *ipv6_prefix};
    const auto done = d.banning().ban(wish, d.own_addresses(), d.worker(), now);
    if (!done)
        return done.error();
    d.lifetimes().on_ban(now.boot);
    if (!many && !done->refused.empty())
        return done->refused.front().error;
    for (const Banning::Refusal& r : done->refused)
        refused.push_back({{"prefix", r.prefix.text()}, {"error", r.error.message}});
    const std::string whom =
        many ? std::to_string(done->prefixes.size()) + " addresses and networks" : done->prefixes.front().text();
    spdlog::info("{} {} {}{}", d.is_dry_run() ? "would ban" : "banned", whom,
                 *time ? "for " + duration_text(**time) : "for ever", by(Banning::owner_of(reason)));
    if (many)
        return json{{"banned", done->prefixes.size()}, {"refused", refused}};
    const Prefix& banned = done->prefixes.front();
    return json{{"banned", banned.text()}, {"expires_in_s", time_left(d.banning().list().all().at(banned).until, now)}};
}

// However short a ban was, it ends sessions.
void end_banned_sessions(Daemon& d, const Now& now) {
    if (d.is_dry_run() || !d.lifetimes().any_banned())
        return;
    if (auto done = d.lifetimes().tick(d.config(), d.banning().list(), d.own_addresses(), now); !done)
        log::error(done.error());
}

// Of one owner where the request has a reason, else of all of them.
Reply unban(Daemon& d, const json& request) {
    std::optional<std::string> owner;
    if (request.contains("reason"))
        owner = Banning::owner_of(request.at("reason").get<std::string>());
    const Now now = Now::read();
    end_banned_sessions(d, now);
    if (request.value("all", false))
        return unban_all(d, owner, request);
    json refused = json::array();
    const auto prefixes = prefixes_of(request, refused);
    if (!prefixes)
        return prefixes.error();
    d.banning().expire(now, d.worker());
    const auto ended = d.banning().unban(*prefixes, owner, d.worker(), now);
    if (!ended)
        return ended.error();
    const bool many = request.contains("prefixes");
    json still = json::array();
    if (!many)
        for (const Prefix& prefix : d.banning().book().around(prefixes->front()))
            still.push_back(ban_json(d.banning().book(), prefix, now));
    if (*ended != 0)
        spdlog::info("{} {}{}", still.empty() ? "unbanned" : "took away a ban of",
                     many ? std::to_string(prefixes->size()) + " addresses and networks" : prefixes->front().text(),
                     owner ? by(*owner) : "");
    if (many)
        return json{{"unbanned", *ended}, {"refused", refused}};
    return json{{"unbanned", *ended}, {"still_banned", still}};
}

} // namespace xk
