// SPDX-License-Identifier: MIT
#include "daemon/grants/ended_sessions.h"

#include "daemon/log.h"

#include <algorithm>
#include <fstream>

namespace xk {
namespace {

using nft::EndedSession;
using nft::Session;
using nft::Tuple;

bool has_connection(const EndedSession& session) { return session.there.protocol == IpProtocol::tcp; }

} // namespace

Result<std::vector<nft::Sockets::Socket>> EndedSessions::list_sockets() {
    if (!sockets_)
        return std::vector<nft::Sockets::Socket>();
    auto list = sockets_->list();
    if (!list)
        return list.error();
    listening_ = std::move(list->listening);
    std::ifstream file("/proc/sys/net/ipv4/ip_local_port_range");
    if (unsigned first = 0, last = 0; file >> first >> last)
        handed_out_ = {first, last};
    return std::move(list->sockets);
}

Result<std::vector<Session>> EndedSessions::find(const Wanted& wanted) {
    std::vector<Session> found;
    const auto sockets = list_sockets();
    if (!sockets)
        return sockets.error();
    for (const nft::Sockets::Socket& socket : *sockets)
        if (wanted(socket.session))
            found.push_back(socket.session);
    auto tracked = sessions_.find(wanted);
    if (!tracked)
        return tracked.error();
    found.insert(found.end(), std::make_move_iterator(tracked->begin()), std::make_move_iterator(tracked->end()));
    return found;
}

bool EndedSessions::may_be_outgoing(std::uint16_t local_port) const {
    return sockets_ && local_port >= handed_out_.first && local_port <= handed_out_.second &&
           !listening_.contains(local_port);
}

// The tuples of those that are gone; the kernel sent a reset for each, which connection tracking still let through.
Result<std::set<Tuple>> EndedSessions::end_sockets(const Wanted& wanted, std::vector<Session>& ended,
                                                   std::vector<EndedSession>& remaining) {
    std::set<Tuple> gone;
    const auto sockets = list_sockets();
    if (!sockets)
        return sockets.error();
    for (const nft::Sockets::Socket& socket : *sockets) {
        if (!wanted(socket.session))
            continue;
        const Result<bool> done = ends_sockets() ? sockets_->end(socket) : Result<bool>(false);
        if (!done)
            log::error(done.error());
        if (done && *done)
            gone.insert(socket.session.back);
        else
            remaining.push_back({socket.session.there, socket.session.back});
        ended.push_back(socket.session);
    }
    return gone;
}

Result<std::vector<Session>> EndedSessions::end(const Wanted& wanted, const Wanted& stays_shut, bool has_table) {
    std::vector<Session> ended;
    std::vector<EndedSession> remaining;
    const auto gone = end_sockets(wanted, ended, remaining);
    if (!gone)
        log::error(gone.error()); // what connection tracking knows ends all the same
    auto tracked = sessions_.find(wanted);
    if (!tracked)
        return tracked.error();
    std::set<Tuple> said;
    for (const Session& session : ended)
        said.insert(session.back);
    for (const Session& session : *tracked) {
        // Whichever side connection tracking saw first.
        const auto is_in = [&](const std::set<Tuple>& set) {
            return set.contains(session.back) || set.contains(session.there);
        };
        const bool dead = gone && is_in(*gone);
        if (!dead && (session.there.protocol == IpProtocol::tcp || stays_shut(session)))
            remaining.push_back({session.there, session.back});
        if (!session.over && !is_in(said))
            ended.push_back(session);
    }
    std::vector<Tuple> flows;
    if (has_table) {
        auto untracked = nft::list_flows(nft_);
        if (!untracked)
            return untracked.error();
        for (const Tuple& flow : *untracked) {
            const Session session{flow, flow.reversed(), true, false, {}};
            if (!wanted(session))
                continue;
            flows.push_back(flow);
            if (gone && gone->contains(session.back))
                continue;
            remaining.push_back({session.there, session.back});
            if (!said.contains(session.back))
                ended.push_back(session);
        }
    }
    // Before they are forgotten: a packet between the two would revive them.
    auto done = has_table ? remember(remaining, flows) : Result<void>();
    if (auto forgotten = sessions_.forget(*tracked); !forgotten)
        return forgotten.error();
    if (!done)
        return done.error();
    return ended;
}

void EndedSessions::enter(const EndedSession& session, BootTime now) {
    if (known_.insert_or_assign(session, now).second)
        without_connection_ += !has_connection(session);
}

void EndedSessions::erase(const EndedSession& session) {
    if (known_.erase(session) > 0)
        without_connection_ -= !has_connection(session);
}

// What has said nothing for so long that the kernel took it out of the sets.
Result<void> EndedSessions::look_again() {
    auto there = nft::list_ended(nft_);
    if (!there)
        return there.error();
    const auto since = std::exchange(known_, {});
    without_connection_ = 0;
    for (const EndedSession& session : *there) {
        const auto known = since.find(session);
        enter(session, known == since.end() ? BootClock::now() : known->second);
    }
    return {};
}

Result<void> EndedSessions::remember(const std::vector<EndedSession>& sessions, const std::vector<Tuple>& flows) {
    if (known_.size() + sessions.size() > nft::kMostEnded)
        if (auto done = look_again(); !done)
            return done;
    const BootTime now = BootClock::now();
    nft::Transaction transaction;
    std::vector<EndedSession> older, fresh;
    std::size_t over = 0;
    for (const EndedSession& session : sessions) {
        if (fresh.size() < nft::kMostEnded)
            fresh.push_back(session);
        else
            ++over;
    }
    if (over > 0)
        spdlog::warn("{} of the sessions that end now are more than can be kept from being taken up again", over);
    if (known_.size() + fresh.size() > nft::kMostEnded) {
        // Those that ended first give way.
        std::vector<std::pair<BootTime, EndedSession>> by_time;
        for (const auto& [session, since] : known_)
            by_time.emplace_back(since, session);
        std::ranges::sort(by_time);
        by_time.resize(std::min(by_time.size(), known_.size() + fresh.size() - nft::kMostEnded));
        for (const auto& [since, session] : by_time) {
            nft::remove_ended(transaction, session);
            older.push_back(session);
        }
    }
    for (const EndedSession& session : fresh)
        nft::put_ended(transaction, session);
    for (const Tuple& flow : flows)
        nft::remove_flow(transaction, flow);
    if (auto done = nft_.commit(std::move(transaction)); !done)
        return std::move(done).error().within("keeping ended sessions from being taken up again");
    for (const EndedSession& session : older)
        erase(session);
    for (const EndedSession& session : fresh)
        enter(session, now);
    return {};
}

Result<void> EndedSessions::adopt() {
    if (auto done = look_again(); !done)
        return done;
    nft::Transaction transaction;
    write(transaction);
    return nft_.commit(std::move(transaction));
}

void EndedSessions::write(nft::Transaction& transaction) const {
    nft::clear_ended(transaction);
    for (const auto& [session, since] : known_)
        nft::put_ended(transaction, session);
}

void EndedSessions::lift(nft::Transaction& transaction, const std::function<bool(const EndedSession&)>& wanted) const {
    if (without_connection_ == 0)
        return;
    for (const auto& [session, since] : known_)
        if (!has_connection(session) && wanted(session))
            nft::remove_ended(transaction, session);
}

void EndedSessions::forget(const std::function<bool(const EndedSession&)>& wanted) {
    if (without_connection_ == 0)
        return;
    std::vector<EndedSession> lifted;
    for (const auto& [session, since] : known_)
        if (!has_connection(session) && wanted(session))
            lifted.push_back(session);
    for (const EndedSession& session : lifted)
        erase(session);
}

Result<void> EndedSessions::lift(const std::function<bool(const EndedSession&)>& wanted) {
    nft::Transaction transaction;
    lift(transaction, wanted);
    if (auto done = nft_.commit(std::move(transaction)); !done)
        return done;
    forget(wanted);
    return {};
}

} // namespace xk
