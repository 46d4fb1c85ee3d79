// SPDX-License-Identifier: MIT
#include "daemon/verbs/bans.h"

#include "daemon/verbs/fields.h"
#include "daemon/verbs/reply.h"
#include "protocol/base/quote.h"

#include <algorithm>

namespace xk::verbs {
namespace {

using nlohmann::json;

json owners_json(const Prefix& prefix, authz::BanClaims claims, const Now& now) {
    std::ranges::stable_sort(claims, [](const auto& a, const auto& b) { return authz::is_longer(a.until, b.until); });
    json owners = json::array();
    for (const authz::BanClaim& claim : claims) {
        json owner = {{"reason", claim.owner}, {"expires_in_s", time_left(claim.until, now.boot)}};
        if (claim.named != prefix)
            owner["address"] = claim.named.text();
        owners.push_back(std::move(owner));
    }
    return owners;
}

json ban_json(const authz::BanBook& book, const Prefix& prefix, const Now& now) {
    const authz::Ban ban = authz::longest_of(book.claims_of(prefix)).value_or(authz::Ban{});
    return {{"prefix", prefix.text()},
            {"expires_in_s", time_left(ban.until, now.boot)},
            {"reason", ban.reason},
            {"owners", owners_json(prefix, book.claims_of(prefix), now)}};
}

// A ban that begins while the list is made is in the list if its prefix comes after the last one that was shown.
Result<control::Reply> run_bans(BanSource& bans, const Request& request) {
    bans.expire_bans(request.now);
    const auto next = [&bans, last = std::optional<Prefix>()](const Now& now) mutable -> std::optional<json> {
        const auto& all = bans.ban_book().all();
        const auto found = last ? all.upper_bound(*last) : all.begin();
        if (found == all.end())
            return std::nullopt;
        last = found->first;
        return ban_json(bans.ban_book(), *last, now);
    };
    return rows_reply({"bans", next}, request.clock);
}

// The request's "prefix", or its list "prefixes".
struct Prefixes {
    bool are_many = false;
    std::vector<Prefix> good;
    json refused = json::array(); // texts of the list that are no prefixes, each with the reason
};

Result<Prefixes> parse_prefixes(const json& fields) {
    Prefixes parsed{has_field(fields, "prefixes"), {}, json::array()};
    if (!parsed.are_many) {
        const auto prefix = Prefix::parse_logged(text_field(fields, "prefix"));
        if (!prefix)
            return Error{prefix.error().message, prefix.error().hint, Exit::usage};
        parsed.good = {*prefix};
        return parsed;
    }
    for (const std::string& text : texts_field(fields, "prefixes")) {
        if (const auto prefix = Prefix::parse_logged(text))
            parsed.good.push_back(*prefix);
        else
            parsed.refused.push_back({{"prefix", text}, {"error", prefix.error().message}});
    }
    return parsed;
}

std::string subject_of_ban(const json& fields) {
    if (truth_field(fields, "all"))
        return "all";
    if (has_field(fields, "prefixes"))
        return std::to_string(texts_field(fields, "prefixes").size()) + " addresses and networks";
    return text_field(fields, "prefix");
}

std::string text_of(const Prefixes& asked, const Banner::Banned& banned) {
    return asked.are_many ? std::to_string(banned.prefixes.size()) + " addresses and networks"
                          : banned.prefixes.front().text();
}

// The ban counts, and the reply must say so. Otherwise the operator may believe that nothing is banned, and leave it
// so.
Error unfinished_ban(const Error& error, const std::string& whom, const json& refused) {
    const std::string others = refused.empty() ? "" : ", " + std::to_string(refused.size()) + " were refused";
    return {"the ban of " + whom + " counts" + others + ", but it is not finished: " + error.message,
            "try again: it takes the missing steps, and the ban stays as it is", error.exit};
}

Result<control::Reply> run_ban(BanSource& bans, Banner& banner, const Request& request) {
    auto asked = parse_prefixes(request.fields);
    if (!asked)
        return asked.error();
    const Banner::Order order{.prefixes = asked->good,
                              .time = seconds_field(request.fields, "seconds"),
                              .reason = text_field(request.fields, "reason"),
                              .ipv6_prefix = bits_field(request.fields, "ipv6_prefix").value_or(128)};
    const auto done = banner.ban_prefixes(order, request.now);
    if (!done)
        return done.error();
    if (!asked->are_many && !done->refused.empty())
        return done->refused.front().error;
    for (const Banner::Refusal& one : done->refused)
        asked->refused.push_back({{"prefix", one.prefix.text()}, {"error", one.error.message}});
    request.action.count = done->prefixes.size();
    request.action.lifetime = order.time.value_or(std::chrono::seconds(0));
    request.action.more = banner.owner_of(order.reason);
    if (!asked->are_many)
        request.action.prefix = done->prefixes.front();
    if (done->unfinished)
        return unfinished_ban(*done->unfinished, text_of(*asked, *done), asked->refused);
    if (asked->are_many)
        return json_reply({{"banned", done->prefixes.size()}, {"refused", asked->refused}});
    const Prefix& banned = done->prefixes.front();
    const authz::Ban longest = authz::longest_of(bans.ban_book().claims_of(banned)).value_or(authz::Ban{});
    return json_reply({{"banned", banned.text()}, {"expires_in_s", time_left(longest.until, request.now.boot)}});
}

Result<Banner::Family> parse_family(const json& fields) {
    const std::string family = text_field(fields, "family");
    if (family.empty())
        return Banner::Family::any;
    if (family == "inet4")
        return Banner::Family::v4;
    if (family == "inet6")
        return Banner::Family::v6;
    return Error{"there is no family " + in_quotes(family), "inet4, inet6", Exit::usage};
}

using Owner = std::optional<std::string>; // none: all owners

Result<control::Reply> run_unban_all(Banner& banner, const Owner& owner, const Request& request) {
    const auto family = parse_family(request.fields);
    if (!family)
        return family.error();
    const auto ended = banner.unban_all(*family, owner, request.now);
    if (!ended)
        return ended.error();
    request.action.all = true;
    request.action.count = *ended;
    request.action.more = owner.value_or("");
    return json_reply({{"unbanned", *ended}});
}

Result<control::Reply> run_unban_prefixes(BanSource& bans, Banner& banner, const Owner& owner, const Request& request) {
    const auto asked = parse_prefixes(request.fields);
    if (!asked)
        return asked.error();
    bans.expire_bans(request.now);
    const auto ended = banner.unban_prefixes(asked->good, owner, request.now);
    if (!ended)
        return ended.error();
    json still = json::array();
    if (!asked->are_many)
        for (const Prefix& prefix : bans.ban_book().around(asked->good.front()))
            still.push_back(ban_json(bans.ban_book(), prefix, request.now));
    request.action.count = *ended;
    request.action.more = owner.value_or("");
    request.action.others_remain = !still.empty();
    if (!asked->are_many)
        request.action.prefix = asked->good.front();
    if (asked->are_many)
        return json_reply({{"unbanned", *ended}, {"refused", asked->refused}});
    return json_reply({{"unbanned", *ended}, {"still_banned", still}});
}

// The bans are lifted even where sessions cannot be ended: an operator who banned themselves must get in again.
Error unfinished_unban(const Error& error) {
    return {"the bans of this request are lifted, but sessions that bans should have ended may live on: " +
                error.message,
            "knockctl close ADDRESS --cut", error.exit};
}

// Lifts the bans of one owner where the request has a reason, else those of all owners.
Result<control::Reply> run_unban(BanSource& bans, Banner& banner, const Request& request) {
    Owner owner;
    if (has_field(request.fields, "reason"))
        owner = banner.owner_of(text_field(request.fields, "reason"));
    const auto sessions = banner.is_dry_run() ? Result<void>() : banner.end_banned_sessions(request.now);
    auto answer = truth_field(request.fields, "all") ? run_unban_all(banner, owner, request)
                                                     : run_unban_prefixes(bans, banner, owner, request);
    if (!answer || sessions)
        return answer;
    return unfinished_unban(sessions.error());
}

} // namespace

Table ban_verbs(BanSource& bans, Banner& banner) {
    return {{"bans", control::Role::reader, {}, [&](const Request& request) { return run_bans(bans, request); }},
            {"ban",
             control::Role::admin,
             {{"prefix", FieldKind::text},
              {"prefixes", FieldKind::texts},
              {"seconds", FieldKind::seconds},
              {"reason", FieldKind::text},
              {"ipv6_prefix", FieldKind::bits}},
             [&](const Request& request) { return run_ban(bans, banner, request); },
             subject_of_ban},
            {"unban",
             control::Role::admin,
             {{"prefix", FieldKind::text},
              {"prefixes", FieldKind::texts},
              {"all", FieldKind::truth},
              {"family", FieldKind::text},
              {"reason", FieldKind::text}},
             [&](const Request& request) { return run_unban(bans, banner, request); },
             subject_of_ban}};
}

} // namespace xk::verbs
