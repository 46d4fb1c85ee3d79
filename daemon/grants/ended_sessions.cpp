// SPDX-License-Identifier: MIT
#include "daemon/grants/ended_sessions.h"

#include "daemon/log.h"
#include "daemon/nft/transaction.h"

#include <algorithm>
#include <iterator>

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
    ephemeral_ = list->ephemeral;
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
    auto tracked = sessions_->find(wanted);
    if (!tracked)
        return tracked.error();
    found.insert(found.end(), std::make_move_iterator(tracked->begin()), std::make_move_iterator(tracked->end()));
    return found;
}

bool EndedSessions::may_be_outgoing(std::uint16_t local_port) const {
    return sockets_ && local_port >= ephemeral_.first && local_port <= ephemeral_.second &&
           !listening_.contains(local_port);
}

// Sockets that are ended are gone with both ends; the kernel sent a reset for each, which connection tracking still let
// through.
void EndedSessions::end_sockets(const Wanted& wanted, Ending& ending) {
    const auto sockets = list_sockets();
    if (!sockets) {
        log::error(sockets.error()); // what connection tracking knows ends all the same
        return;
    }
    for (const nft::Sockets::Socket& socket : *sockets) {
        if (!wanted(socket.session))
            continue;
        const Result<bool> done = ends_sockets() ? sockets_->end(socket) : Result<bool>(false);
        if (!done)
            log::error(done.error());
        if (done && *done)
            ending.gone.insert(socket.session.back);
        else
            ending.remaining.push_back({socket.session.there, socket.session.back});
        ending.reported.insert(socket.session.back);
        ending.ended.push_back(socket.session);
    }
}

void EndedSessions::end_tracked(const std::vector<Session>& tracked, const Wanted& stays_shut, Ending& ending) {
    for (const Session& session : tracked) {
        // Whichever side connection tracking saw first.
        const auto is_in = [&](const std::set<Tuple>& set) {
            return set.contains(session.back) || set.contains(session.there);
        };
        if (!is_in(ending.gone) && (session.there.protocol == IpProtocol::tcp || stays_shut(session)))
            ending.remaining.push_back({session.there, session.back});
        if (!session.over && !is_in(ending.reported))
            ending.ended.push_back(session);
    }
}

Result<void> EndedSessions::end_flows(const Wanted& wanted, Ending& ending) {
    auto untracked = nft::list_flows(*sets_);
    if (!untracked)
        return untracked.error();
    for (const Tuple& flow : *untracked) {
        const Session session{flow, flow.reversed(), true, false, {}};
        if (!wanted(session))
            continue;
        ending.flows.push_back(flow);
        if (ending.gone.contains(session.back))
            continue;
        ending.remaining.push_back({session.there, session.back});
        if (!ending.reported.contains(session.back))
            ending.ended.push_back(session);
    }
    return {};
}

Result<std::vector<Session>> EndedSessions::end(const Wanted& wanted, const Wanted& stays_shut, bool has_table) {
    Ending ending;
    end_sockets(wanted, ending);
    auto tracked = sessions_->find(wanted);
    if (!tracked)
        return tracked.error();
    end_tracked(*tracked, stays_shut, ending);
    if (has_table)
        if (auto done = end_flows(wanted, ending); !done)
            return done.error();
    // Before they are forgotten: a packet between the two would revive them.
    auto done = has_table ? remember(std::move(ending.remaining), ending.flows) : Result<void>();
    if (auto forgotten = sessions_->forget(*tracked); !forgotten)
        return forgotten.error();
    if (!done)
        return done.error();
    return std::move(ending.ended);
}

void EndedSessions::enter(const EndedSession& session, BootTime now) {
    if (known_.insert_or_assign(session, now).second)
        without_connection_ += !has_connection(session);
}

void EndedSessions::erase(const EndedSession& session) {
    if (known_.erase(session) > 0)
        without_connection_ -= !has_connection(session);
}

// The kernel takes out of the sets what said nothing for long: without this they would seem full.
Result<void> EndedSessions::read_back() {
    auto there = nft::list_ended(*sets_);
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

// What the sets did not take is forgotten by connection tracking all the same, so that nothing would find it a second
// time: it goes with the next ones.
Result<void> EndedSessions::remember(std::vector<EndedSession> sessions, const std::vector<Tuple>& flows) {
    std::ranges::move(std::exchange(unwritten_, {}), std::back_inserter(sessions));
    auto done = write_ended(sessions, flows);
    if (!done)
        unwritten_ = std::move(sessions);
    return done;
}

Result<void> EndedSessions::write_ended(std::span<const EndedSession> sessions, const std::vector<Tuple>& flows) {
    if (known_.size() + sessions.size() > nft::kMostEnded)
        if (auto done = read_back(); !done)
            return done;
    if (sessions.size() > nft::kMostEnded) {
        spdlog::warn("{} of the sessions that end now are more than can be kept from being taken up again",
                     sessions.size() - nft::kMostEnded);
        sessions = sessions.first(nft::kMostEnded);
    }
    const auto older = oldest_beyond(nft::kMostEnded - sessions.size());
    nft::Transaction transaction;
    for (const EndedSession& session : older)
        nft::remove_ended(transaction, session);
    for (const EndedSession& session : sessions)
        nft::put_ended(transaction, session);
    for (const Tuple& flow : flows)
        nft::remove_flow(transaction, flow);
    if (auto done = sets_->commit(std::move(transaction)); !done)
        return std::move(done).error().within("keeping ended sessions from being taken up again");
    for (const EndedSession& session : older)
        erase(session);
    const BootTime now = BootClock::now();
    for (const EndedSession& session : sessions)
        enter(session, now);
    return {};
}

// Those that ended first give way, so that no more than `room` are left.
std::vector<EndedSession> EndedSessions::oldest_beyond(std::size_t room) const {
    std::vector<EndedSession> older;
    if (known_.size() <= room)
        return older;
    std::vector<std::pair<BootTime, EndedSession>> by_time;
    for (const auto& [session, since] : known_)
        by_time.emplace_back(since, session);
    std::ranges::sort(by_time);
    by_time.resize(known_.size() - room);
    for (const auto& [since, session] : by_time)
        older.push_back(session);
    return older;
}

Result<void> EndedSessions::adopt() {
    if (auto done = read_back(); !done)
        return done;
    nft::Transaction transaction;
    write(transaction);
    return sets_->commit(std::move(transaction));
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
    std::erase_if(unwritten_, [&](const EndedSession& s) { return !has_connection(s) && wanted(s); });
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
    if (auto done = sets_->commit(std::move(transaction)); !done)
        return done;
    forget(wanted);
    return {};
}

} // namespace xk
