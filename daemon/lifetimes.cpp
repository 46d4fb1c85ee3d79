// SPDX-License-Identifier: MIT
#include "daemon/lifetimes.h"

#include <algorithm>
#include <map>

namespace xk {
namespace {

using gate::After;
using gate::Door;
using nft::Fate;
using nft::Session;
using std::chrono::seconds;

// How often sessions are looked for, in parts of the time that a grant outlives its last one.
constexpr int kLooks = 4;
constexpr seconds kRarest{30};
constexpr seconds kSoon{2}; // before the look after the next one

bool is_spared(const config::Config& config, const Address& source) {
    return source.is_loopback() ||
           std::ranges::any_of(config.allow, [&](const Prefix& allowed) { return allowed.contains(source); });
}

} // namespace

// What goes through this host to nobody of ours is nobody's door.
std::optional<Door> Lifetimes::door_of(const Session& session, const std::set<Address>& own) const {
    return doors_.door_like({session.source, own.contains(session.asked) ? Address{} : session.asked, session.endpoint});
}

void Lifetimes::door_ended(const gate::GrantBook::Ended& ended) {
    const gate::Service* const service = doors_.service_of(ended.door);
    // Of a service that is gone from the configuration nobody knows any more what was wanted.
    cut_ = cut_ || (ended.last && service != nullptr && service->after == After::cut);
}

Result<void> Lifetimes::tick(const config::Config& config, const gate::BanList& bans, const std::set<Address>& own,
                             const Now& now) {
    if (cut_ || cut_banned_)
        if (auto done = end_orphans(config, bans, own, now); !done)
            return done;
    if (auto gone = doors_.forget_taken(); !gone)
        return gone.error();
    // With many doors it takes a while to ask of each what its service is.
    if (std::ranges::none_of(config.policy.services, [](const gate::Service& s) { return s.after == After::idle; }))
        return {};
    return prolong_idle(own, now);
}

Result<void> Lifetimes::end_orphans(const config::Config& config, const gate::BanList& bans,
                                    const std::set<Address>& own, const Now& now) {
    const bool banned = std::exchange(cut_banned_, false), orphans = std::exchange(cut_, false);
    const auto ended = sessions_.review([&](const Session& session) {
        if (banned && bans.is_banned(session.source, now.boot))
            return Fate::ends;
        if (!orphans || is_spared(config, session.source))
            return Fate::lives_on;
        const auto door = door_of(session, own);
        const gate::Service* const service = door ? doors_.service_of(*door) : nullptr;
        const bool orphan = service != nullptr && service->after == After::cut && !doors_.book().all().contains(*door);
        return orphan ? Fate::ends : Fate::lives_on;
    });
    return ended ? Result<void>() : Result<void>(ended.error());
}

Result<void> Lifetimes::prolong_idle(const std::set<Address>& own, const Now& now) {
    std::map<Door, seconds> idle; // doors that are open, and how long they outlive their last session
    seconds shortest = kRarest * kLooks;
    bool ending = false; // one of them, before the next look: a grant is often shorter than what it outlives a session by
    for (const auto& [door, holders] : doors_.book().all())
        if (const gate::Service* const service = doors_.service_of(door); service && service->after == After::idle) {
            idle[door] = service->idle;
            shortest = std::min(shortest, service->idle);
            ending = ending || holders.front().until < now.boot + kSoon;
        }
    if (idle.empty() || (!ending && now.boot < last_look_ + std::min(shortest / kLooks, kRarest)))
        return {};
    last_look_ = now.boot;
    std::map<Door, seconds> alive;
    const auto looked = sessions_.review([&](const Session& session) {
        if (session.alive && !session.reversed)
            if (const auto door = door_of(session, own); door && idle.contains(*door))
                alive[*door] = idle[*door];
        return Fate::lives_on;
    });
    if (!looked)
        return looked.error();
    return doors_.prolong(alive, now);
}

Result<std::size_t> Lifetimes::end_all(const config::Config& config, const std::set<Address>& own) {
    return sessions_.review([&](const Session& session) {
        return !is_spared(config, session.source) && door_of(session, own) ? Fate::ends : Fate::lives_on;
    });
}

Result<void> Lifetimes::forget_used(const std::set<Address>& own) {
    std::set<Door> single, used;
    for (const auto& [door, holders] : doors_.book().all())
        if (gate::is_for_one(holders))
            single.insert(door);
    if (single.empty())
        return {};
    const auto looked = sessions_.review([&](const Session& session) {
        if (const auto door = door_of(session, own); door && single.contains(*door))
            used.insert(*door);
        return Fate::lives_on;
    });
    // Where that cannot be known none of them is opened again.
    doors_.forget(looked ? used : single);
    return looked ? Result<void>() : Result<void>(looked.error());
}

} // namespace xk
