// SPDX-License-Identifier: MIT
#include "daemon/authz/bans.h"

namespace xk::authz {
namespace {

bool is_over(const Ban& ban, BootTime now) { return ban.until && *ban.until <= now; }

} // namespace

bool BanList::add(const Prefix& prefix, Ban ban) {
    const bool added = bans_.insert_or_assign(prefix, std::move(ban)).second;
    if (added)
        ++lengths_[prefix.length];
    return added;
}

bool BanList::remove(const Prefix& prefix) {
    if (bans_.erase(prefix) == 0)
        return false;
    if (const auto length = lengths_.find(prefix.length); --length->second == 0)
        lengths_.erase(length);
    return true;
}

std::vector<Prefix> BanList::expire(BootTime now) {
    std::vector<Prefix> over;
    for (const auto& [prefix, ban] : bans_)
        if (is_over(ban, now))
            over.push_back(prefix);
    for (const Prefix& prefix : over)
        remove(prefix);
    return over;
}

bool BanList::is_banned(const Address& address, BootTime now) const {
    for (const auto& [length, count] : lengths_) {
        const auto found = bans_.find(Prefix::around(address, length));
        if (found != bans_.end() && found->first.contains(address) && !is_over(found->second, now))
            return true;
    }
    return false;
}

std::optional<BootTime> BanList::next_expiry() const {
    std::optional<BootTime> next;
    for (const auto& [prefix, ban] : bans_)
        if (ban.until && (!next || *ban.until < *next))
            next = ban.until;
    return next;
}

} // namespace xk::authz
