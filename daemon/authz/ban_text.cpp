// SPDX-License-Identifier: MIT
#include "daemon/authz/ban_text.h"

#include <algorithm>
#include <charconv>

namespace xk::authz {
namespace {

constexpr std::string_view kName = "xknock-bans ";
constexpr std::string_view kHead = "xknock-bans 1 "; // with the number of the format

// Cuts off and returns the text before the next `end`. Nothing where there is none.
std::optional<std::string_view> cut(std::string_view& text, char end) {
    const auto at = text.find(end);
    if (at == std::string_view::npos)
        return std::nullopt;
    const std::string_view part = text.substr(0, at);
    text.remove_prefix(at + 1);
    return part;
}

std::optional<Prefix> cut_prefix(std::string_view& text) {
    const auto word = cut(text, ' ');
    const auto prefix = word ? Prefix::parse(*word) : Error{{}, {}};
    return prefix ? std::optional(*prefix) : std::nullopt;
}

std::string until_text(const std::optional<BootTime>& until) {
    return until ? std::to_string(until->time_since_epoch().count()) : "-";
}

bool read_until(std::string_view word, std::optional<BootTime>& until) {
    if (word == "-")
        return true;
    std::int64_t ns = 0;
    const auto [end, code] = std::from_chars(word.data(), word.data() + word.size(), ns);
    until = BootTime(std::chrono::nanoseconds(ns));
    return code == std::errc{} && end == word.data() + word.size() && ns >= 0;
}

bool read_line(std::string_view line, BanBook& book) {
    const auto sign = cut(line, ' ');
    const auto prefix = cut_prefix(line);
    const auto named = cut_prefix(line);
    if (!prefix || !named || !prefix->contains(*named) || (*sign != "+" && *sign != "-"))
        return false;
    BanClaim claim{{}, *named, {}};
    if (*sign == "+") {
        const auto until = cut(line, ' ');
        if (!until || !read_until(*until, claim.until))
            return false;
    }
    claim.owner = line;
    BanClaims claims = book.claims_of(*prefix);
    std::erase_if(claims, [&](const BanClaim& known) { return known.is_of(claim); });
    if (*sign == "+")
        claims.push_back(std::move(claim));
    book.set(*prefix, std::move(claims));
    return true;
}

} // namespace

std::string bans_head(std::string_view boot) { return std::string(kHead) + std::string(boot) + "\n"; }

std::string claim_line(const Prefix& prefix, const BanClaim& claim) {
    return "+ " + prefix.text() + " " + claim.named.text() + " " + until_text(claim.until) + " " + claim.owner + "\n";
}

std::string unclaim_line(const Prefix& prefix, const BanClaim& claim) {
    return "- " + prefix.text() + " " + claim.named.text() + " " + claim.owner + "\n";
}

std::string change_lines(const Prefix& prefix, const BanClaims& before, const BanClaims& after) {
    std::string lines;
    for (const BanClaim& claim : before)
        if (std::none_of(after.begin(), after.end(), [&](const BanClaim& c) { return c.is_of(claim); }))
            lines += unclaim_line(prefix, claim);
    for (const BanClaim& claim : after)
        if (std::find(before.begin(), before.end(), claim) == before.end())
            lines += claim_line(prefix, claim);
    return lines;
}

std::string bans_text(const BanBook& book) {
    std::string text;
    for (const auto& [prefix, claims] : book.all())
        for (const BanClaim& claim : claims)
            text += claim_line(prefix, claim);
    return text;
}

bool is_of_newer_release(std::string_view text, std::string_view boot) {
    if (!text.starts_with(kName))
        return false;
    text.remove_prefix(kName.size());
    unsigned number = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return code == std::errc{} && number > 1 && text.starts_with(" " + std::string(boot));
}

bool is_of_another_boot(std::string_view text, std::string_view boot) {
    return text.starts_with(kHead) && !text.starts_with(bans_head(boot));
}

std::optional<BanBook> read_bans_text(std::string_view text, std::string_view boot) {
    const std::string head = bans_head(boot);
    if (text.substr(0, head.size()) != head)
        return std::nullopt;
    text.remove_prefix(head.size());
    BanBook book;
    while (const auto line = cut(text, '\n'))
        if (!read_line(*line, book))
            return std::nullopt;
    return book;
}

} // namespace xk::authz
