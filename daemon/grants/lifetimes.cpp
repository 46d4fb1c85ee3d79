// SPDX-License-Identifier: MIT
#include "daemon/grants/lifetimes.h"

#include "daemon/authz/rights.h"
#include "daemon/log.h"

#include <algorithm>
#include <map>

namespace xk {
namespace {

using authz::After;
using authz::EndCause;
using authz::Pinhole;
using nft::Session;
using std::chrono::seconds;

// The number of searches for sessions within the time for which a grant outlives its last session.
constexpr int kLooks = 4;
constexpr seconds kRarest{30}; // the longest time between two searches
constexpr seconds kSoon{2};    // a grant that ends within this time may end before the next tick

bool is_spared(const config::Config& config, const Address& source) {
    return source.is_loopback() ||
           std::ranges::any_of(config.allow, [&](const Prefix& allowed) { return allowed.contains(source); });
}

bool is_same(const Session& session, const TcpSession& other) {
    const auto fits = [&](const Address& address, std::uint16_t port, std::uint16_t ours, std::uint16_t delivered) {
        return address == other.remote && port == other.remote_port &&
               (ours == other.local_port || delivered == other.local_port);
    };
    return session.there.protocol == IpProtocol::tcp &&
           (fits(session.there.source, session.there.source_port, session.there.target_port,
                 session.back.source_port) ||
            fits(session.there.target, session.there.target_port, session.there.source_port, session.back.target_port));
}

bool is_same(const Session& session, const std::optional<TcpSession>& other) {
    return other && is_same(session, *other);
}

std::string joined(std::span<const std::string> names) {
    std::string text;
    for (const std::string& name : names)
        text += (text.empty() ? "" : ", ") + name;
    return text;
}

} // namespace

// Three pinholes can fit a session: that of the address that the client used, that of the address behind a redirection
// by the administrator, and, where connection tracking saw a packet of the service first, that of the service's own
// address. Forwarded traffic to a host that we do not protect belongs to no grant.
std::vector<Lifetimes::Way> Lifetimes::ways_of(const Session& session, const std::set<Address>& own) const {
    std::vector<Way> ways;
    const auto add = [&](const Address& client, const Address& at, std::uint16_t port, bool reversed) {
        const bool local = own.contains(at);
        if (own.contains(client)) // this host needs no grant
            return;
        const auto pinhole = grants_.pinhole_like({client, local ? Address{} : at, {session.there.protocol, port}});
        if (!pinhole || std::ranges::any_of(ways, [&](const Way& way) { return way.pinhole == *pinhole; }))
            return;
        // A range of protected ports may contain ports from which this host opens its own connections.
        if (local && session.there.protocol == IpProtocol::tcp && ended_.may_be_outgoing(port))
            return;
        ways.push_back({*pinhole, reversed});
    };
    const nft::Tuple &there = session.there, &back = session.back;
    add(there.source, there.target, there.target_port, false);
    add(there.source, back.source, back.source_port, false);
    add(there.target, there.source, there.source_port, true);
    return ways;
}

std::string Lifetimes::text_of(const Session& session, const std::set<Address>& own) const {
    const auto ways = ways_of(session, own);
    const bool reversed = ways.empty() ? own.contains(session.there.source) : ways.front().reversed;
    const nft::Tuple& there = session.there;
    const std::string client = (reversed ? there.target : there.source).text() + " port " +
                               std::to_string(reversed ? there.target_port : there.source_port);
    if (ways.empty())
        return client + " with " + Endpoint{there.protocol, reversed ? there.source_port : there.target_port}.text();
    const authz::Service* const service = grants_.service_of(ways.front().pinhole);
    return client + " at " + grants_.text_of(ways.front().pinhole) +
           (service != nullptr ? " (" + std::string(service->name.view()) + ")" : "");
}

void Lifetimes::report_ended(const Session& session, const std::set<Address>& own, const Why& why,
                             const Now& now) const {
    authz::Event event;
    event.kind = authz::EventKind::session_ended;
    event.at = now;
    event.cause = why.cause;
    event.detail = text_of(session, own);
    event.more = why.text;
    if (const auto ways = ways_of(session, own); !ways.empty()) {
        const Pinhole& pinhole = ways.front().pinhole;
        const authz::Service* const service = grants_.service_of(pinhole);
        event.service = service != nullptr ? service->name.view() : "";
        event.address = pinhole.address;
        event.pinholes = grants_.text_of(pinhole);
        for (const Way& way : ways)
            if (const auto grant = why.grants.find(way.pinhole); grant != why.grants.end())
                event.cause = grant->second;
    }
    sink_.on_event(event);
}

Result<std::size_t> Lifetimes::end(const EndedSessions::Wanted& wanted, const config::Config& config,
                                   const std::set<Address>& own, const Why& why, const Now& now) {
    auto outcome = ended_.end_sessions(
        wanted, [&](const Session& session) { return !ways_of(session, own).empty(); },
        config.gate_mode == config::GateMode::table);
    const auto& ended = outcome.ended;
    for (const Session& session : ended)
        report_ended(session, own, why, now);
    if (!outcome.all)
        return std::move(outcome.all)
            .error()
            .within("not all sessions ended (" + std::to_string(ended.size()) + " did)");
    return ended.size();
}

Result<void> Lifetimes::adopt(bool has_table, bool ruleset_was_there) {
    cut_unknown_ = has_table ? ruleset_was_there : owners_.was_read();
    return has_table ? ended_.adopt() : Result<void>();
}

void Lifetimes::on_opening(nft::Transaction& transaction, const Pinhole& pinhole, const std::set<Address>& own) const {
    ended_.lift_sessions(transaction, [&](const nft::EndedSession& ended) {
        return std::ranges::any_of(ways_of({ended.there, ended.back, false, false, {}}, own),
                                   [&](const Way& way) { return way.pinhole == pinhole; });
    });
}

void Lifetimes::on_opened(const Pinhole& pinhole, const std::set<Address>& own) {
    ended_.forget_lifted([&](const nft::EndedSession& ended) {
        return std::ranges::any_of(ways_of({ended.there, ended.back, false, false, {}}, own),
                                   [&](const Way& way) { return way.pinhole == pinhole; });
    });
}

void Lifetimes::on_pinhole_ended(const authz::GrantBook::Ended& ended) {
    const authz::Service* const service = grants_.service_of(ended.pinhole);
    // A service that is gone from the configuration has no "after" any more. end_disowned() ends its sessions.
    if (ended.last && service != nullptr && service->after == After::cut)
        cut_[ended.pinhole] = ended.cause;
}

Result<void> Lifetimes::on_tick(const config::Config& config, const authz::BanList& bans, const std::set<Address>& own,
                                const Now& now) {
    Result<void> all;
    const auto note = [&](const Result<void>& step) {
        if (!step)
            all = all ? step.error() : Error{all.error().message + "\n" + step.error().message, all.error().hint};
    };
    note(end_banned(config, bans, own, now));
    note(end_cut(config, own, now));
    if (disowned_)
        note(end_disowned(config, own, now));
    note(grants_.forget_used());
    if (owners_.wants_look(now.boot))
        note(prune_owners(own, now));
    note(owners_.save());
    note(prolong_idle(config, own, now));
    return all;
}

// Includes every address that was banned at the time of the first ban, because short bans may be over by now.
Result<void> Lifetimes::end_banned(const config::Config& config, const authz::BanList& bans,
                                   const std::set<Address>& own, const Now& now) {
    if (!banned_)
        return {};
    const auto is_banned = [&](const Address& address) { return bans.is_banned(address, *banned_); };
    const auto done = end([&](const Session& s) { return is_banned(s.there.source) || is_banned(s.back.source); },
                          config, own, {"by a ban", EndCause::banned, {}}, now);
    if (!done)
        return done.error();
    banned_.reset();
    return {};
}

// Only sessions whose grant is over end. A session from before the ruleset never had a grant and lives on.
Result<void> Lifetimes::end_cut(const config::Config& config, const std::set<Address>& own, const Now& now) {
    if (cut_.empty() && !cut_unknown_)
        return {};
    const auto is_over = [&](const Way& way) {
        const authz::Service* const service = grants_.service_of(way.pinhole);
        return service != nullptr && service->after == After::cut && !is_spared(config, way.pinhole.address) &&
               (cut_.contains(way.pinhole) || (cut_unknown_ && (owners_.knows(way.pinhole) || !owners_.was_read())));
    };
    const auto has_grant = [&](const Way& way) { return grants_.book().all().contains(way.pinhole); };
    const auto done = end(
        [&](const Session& session) {
            const auto ways = ways_of(session, own);
            return std::ranges::any_of(ways, is_over) && std::ranges::none_of(ways, has_grant);
        },
        config, own, {"with its grant", EndCause::expired, cut_}, now);
    if (!done)
        return done.error();
    cut_.clear();
    cut_unknown_ = false;
    return {};
}

Result<void> Lifetimes::prune_owners(const std::set<Address>& own, const Now& now) {
    std::set<Pinhole> alive;
    const auto looked = ended_.find_sessions([&](const Session& session) {
        if (!session.over)
            for (const Way& way : ways_of(session, own))
                alive.insert(way.pinhole);
        return false;
    });
    if (!looked)
        return looked.error();
    owners_.prune(alive, now.boot);
    return {};
}

Result<void> Lifetimes::prolong_idle(const config::Config& config, const std::set<Address>& own, const Now& now) {
    // The search for the service of each of many pinholes takes long.
    if (std::ranges::none_of(config.policy.services, [](const authz::Service& s) { return s.after == After::idle; }))
        return {};
    std::map<Pinhole, seconds> idle; // open pinholes, and how long each outlives its last session
    seconds shortest = kRarest * kLooks;
    // Whether one of them may end before the next tick. Many grants are shorter than the time between two searches.
    bool ending = false;
    for (const auto& [pinhole, holders] : grants_.book().all())
        if (const authz::Service* const service = grants_.service_of(pinhole);
            service && service->after == After::idle) {
            idle[pinhole] = service->idle;
            shortest = std::min(shortest, service->idle);
            ending = ending || holders.front().until < now.boot + kSoon;
        }
    if (idle.empty() || (!ending && now.boot < last_look_ + std::min(shortest / kLooks, kRarest)))
        return {};
    last_look_ = now.boot;
    std::map<Pinhole, seconds> alive;
    const auto looked = ended_.find_sessions([&](const Session& session) {
        if (session.alive)
            for (const Way& way : ways_of(session, own))
                if (const auto open = idle.find(way.pinhole); open != idle.end() && !way.reversed)
                    alive.insert(*open);
        return false;
    });
    if (!looked)
        return looked.error();
    return grants_.prolong(alive, now);
}

Lifetimes::Disowned Lifetimes::find_disowned(const config::Config& config) const {
    Disowned found;
    for (const auto& [pinhole, record] : owners_.all()) {
        std::set<wire::CredentialId> gone;
        std::vector<std::string> names;
        for (const wire::CredentialId& id : record.holders)
            if (!authz::is_entitled(config.policy, id, pinhole)) {
                gone.insert(id);
                names.push_back(grants_.label_of(id));
            }
        if (gone.empty() || is_spared(config, pinhole.address))
            continue;
        if (gone.size() == record.holders.size() && gone.size() < Owners::kMostHolders)
            found.over[pinhole] = record;
        else
            log::warn("sessions from {} to {} may be those of {}, or of others who had a grant there: they live on",
                      pinhole.address.text(), grants_.text_of(pinhole), joined(names));
        found.gone[pinhole] = std::move(gone);
    }
    return found;
}

// Ended sessions may begin again at a port that is no longer protected, and from an address that is allowed now.
Result<void> Lifetimes::lift_unprotected(const config::Config& config, const std::set<Address>& own) {
    return ended_.lift_sessions([&](const nft::EndedSession& ended) {
        const auto ways = ways_of({ended.there, ended.back, false, false, {}}, own);
        return std::ranges::all_of(ways, [&](const Way& way) { return is_spared(config, way.pinhole.address); });
    });
}

Result<void> Lifetimes::end_disowned(const config::Config& config, const std::set<Address>& own, const Now& now) {
    disowned_ = true; // a failure below makes the next tick try again
    const Disowned found = find_disowned(config);
    auto lifted = lift_unprotected(config, own); // a failure keeps nobody's session alive
    // The records decide, because the present configuration may not know the port any more.
    const auto is_over = [&](const Address& client, const Address& at, const Endpoint& port) {
        const Pinhole pinhole{client, own.contains(at) ? Address{} : at, port};
        return std::ranges::any_of(found.over, [&](const auto& one) { return one.second.is_of(one.first, pinhole); });
    };
    const auto is_disowned = [&](const Session& session) {
        const nft::Tuple &there = session.there, &back = session.back;
        return is_over(there.source, there.target, {there.protocol, there.target_port}) ||
               is_over(there.source, back.source, {there.protocol, back.source_port}) ||
               is_over(there.target, there.source, {there.protocol, there.source_port});
    };
    if (!found.over.empty())
        if (auto done = end(is_disowned, config, own, {"with the right to it", EndCause::configuration, {}}, now);
            !done)
            return done.error();
    for (const auto& [pinhole, gone] : found.gone)
        owners_.forget(pinhole, gone);
    disowned_ = !lifted;
    return lifted;
}

Result<std::size_t> Lifetimes::end_all_sessions(const config::Config& config, const std::set<Address>& own,
                                                const std::optional<TcpSession>& spared, const Now& now) {
    return end(
        [&](const Session& session) {
            return !is_same(session, spared) && std::ranges::any_of(ways_of(session, own), [&](const Way& way) {
                return !is_spared(config, way.pinhole.address);
            });
        },
        config, own, {"by the panic", EndCause::panic, {}}, now);
}

Result<std::size_t> Lifetimes::end_sessions_of(const Prefix& prefix, const config::Config& config,
                                               const std::set<Address>& own, const std::optional<TcpSession>& spared,
                                               const Now& now) {
    return end(
        [&](const Session& session) {
            return !is_same(session, spared) && std::ranges::any_of(ways_of(session, own), [&](const Way& way) {
                return prefix.contains(way.pinhole.address) && !is_spared(config, way.pinhole.address);
            });
        },
        config, own, {"by the operator", EndCause::by_operator, {}}, now);
}

Result<Lifetimes::OfUsers> Lifetimes::end_sessions_of(const std::set<wire::CredentialId>& users,
                                                      const config::Config& config, const std::set<Address>& own,
                                                      const std::optional<TcpSession>& spared, const Now& now) {
    OfUsers result;
    std::set<Pinhole> theirs;
    for (const auto& [pinhole, record] : owners_.all()) {
        const auto count =
            std::ranges::count_if(record.holders, [&](const wire::CredentialId& id) { return users.contains(id); });
        const auto all = static_cast<std::ptrdiff_t>(record.holders.size());
        if (count > 0 && count == all && record.holders.size() < Owners::kMostHolders)
            theirs.insert(pinhole);
        else if (count > 0)
            ++result.shared;
    }
    const auto ended = end(
        [&](const Session& session) {
            return !is_same(session, spared) && std::ranges::any_of(ways_of(session, own), [&](const Way& way) {
                return theirs.contains(way.pinhole) && !is_spared(config, way.pinhole.address);
            });
        },
        config, own, {"by the operator", EndCause::by_operator, {}}, now);
    if (!ended)
        return ended.error();
    result.ended = *ended;
    return result;
}

Result<void> Lifetimes::forget_used(const std::set<Address>& own) {
    std::set<Pinhole> single, used;
    for (const auto& [pinhole, holders] : grants_.book().all())
        if (authz::is_single_use(holders))
            single.insert(pinhole);
    if (single.empty())
        return {};
    const auto looked = ended_.find_sessions([&](const Session& session) {
        for (const Way& way : ways_of(session, own))
            if (single.contains(way.pinhole))
                used.insert(way.pinhole);
        return false;
    });
    // If the search fails, all of them are forgotten, because none may be used twice.
    grants_.forget(looked ? used : single, authz::EndCause::used);
    return looked ? Result<void>() : Result<void>(looked.error());
}

Result<void> Lifetimes::restore_grants(const std::set<Address>& own, const Now& now) {
    auto known = forget_used(own);
    return known ? grants_.restore(now) : known;
}

} // namespace xk
