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
    auto list = sockets_->list_sockets();
    if (!list)
        return list.error();
    listening_ = std::move(list->listening);
    ephemeral_ = list->ephemeral;
    return std::move(list->sockets);
}

Result<std::vector<Session>> EndedSessions::find_sessions(const Wanted& wanted) {
    std::vector<Session> found;
    const auto sockets = list_sockets();
    if (!sockets)
        return sockets.error();
    for (const nft::Sockets::Socket& socket : *sockets)
        if (wanted(socket.session))
            found.push_back(socket.session);
    auto tracked = sessions_->find_sessions(wanted);
    if (!tracked)
        return tracked.error();
    found.insert(found.end(), std::make_move_iterator(tracked->begin()), std::make_move_iterator(tracked->end()));
    return found;
}

bool EndedSessions::may_be_outgoing(std::uint16_t local_port) const {
    return sockets_ && local_port >= ephemeral_.first && local_port <= ephemeral_.second &&
           !listening_.contains(local_port);
}

// One error tells of all steps that failed, so that the operator reads everything that may live on.
void EndedSessions::Ending::fail(Error error, std::string_view consequence) {
    error = std::move(error).within(consequence);
    if (!outcome.all)
        error.message = outcome.all.error().message + "; " + error.message;
    outcome.all = std::move(error);
}

// The kernel resets both ends of a socket that it ends, and connection tracking lets this reset through only while it
// knows the session. So the sockets end first.
void EndedSessions::end_sockets(const Wanted& wanted, Ending& ending) {
    auto sockets = list_sockets();
    if (!sockets)
        return ending.fail(std::move(sockets).error(), "sessions that connection tracking does not know may live on");
    for (const nft::Sockets::Socket& socket : *sockets) {
        if (!wanted(socket.session))
            continue;
        const Result<bool> done = ends_sockets() ? sockets_->end_socket(socket) : Result<bool>(false);
        if (!done)
            log::error(done.error()); // the sets drop its packets
        if (done && *done)
            ending.gone.insert(socket.session.back);
        else
            ending.remaining.push_back({socket.session.there, socket.session.back});
        ending.reported.insert(socket.session.back);
        ending.outcome.ended.push_back(socket.session);
    }
}

void EndedSessions::end_tracked(const std::vector<Session>& tracked, const Wanted& stays_shut, Ending& ending) {
    for (const Session& session : tracked) {
        // Connection tracking may have seen either side first.
        const auto is_in = [&](const std::set<Tuple>& set) {
            return set.contains(session.back) || set.contains(session.there);
        };
        if (!is_in(ending.gone) && (session.there.protocol == IpProtocol::tcp || stays_shut(session)))
            ending.remaining.push_back({session.there, session.back});
        if (!session.over && !is_in(ending.reported))
            ending.outcome.ended.push_back(session);
    }
}

void EndedSessions::end_flows(const Wanted& wanted, Ending& ending) {
    auto untracked = nft::list_flows(*sets_);
    if (!untracked)
        return ending.fail(std::move(untracked).error(), "sessions without connection tracking may live on");
    for (const Tuple& flow : *untracked) {
        const Session session{flow, flow.reversed(), true, false, {}};
        if (!wanted(session))
            continue;
        ending.flows.push_back(flow);
        if (ending.gone.contains(session.back))
            continue;
        ending.remaining.push_back({session.there, session.back});
        if (!ending.reported.contains(session.back))
            ending.outcome.ended.push_back(session);
    }
}

EndedSessions::Outcome EndedSessions::end_sessions(const Wanted& wanted, const Wanted& stays_shut, bool has_table) {
    Ending ending;
    end_sockets(wanted, ending);
    auto tracked = sessions_->find_sessions(wanted);
    if (tracked)
        end_tracked(*tracked, stays_shut, ending);
    else
        ending.fail(tracked.error(), "sessions of hosts behind this one and sessions of UDP may live on");
    if (has_table)
        end_flows(wanted, ending);
    // The sets are written first: a packet that came between the two steps would revive a session that connection
    // tracking has forgotten.
    if (has_table)
        if (auto done = remember(std::move(ending.remaining), ending.flows); !done)
            ending.fail(std::move(done).error(), "sessions that ended may be taken up again");
    if (tracked)
        if (auto done = sessions_->forget_sessions(*tracked); !done)
            ending.fail(std::move(done).error(), "connection tracking still knows sessions that ended");
    return std::move(ending.outcome);
}

void EndedSessions::enter(const EndedSession& session, BootTime now) {
    if (known_.insert_or_assign(session, now).second)
        without_connection_ += !has_connection(session);
}

void EndedSessions::erase(const EndedSession& session) {
    if (known_.erase(session) > 0)
        without_connection_ -= !has_connection(session);
}

// The kernel removes elements of sessions that are silent for long. Without this the sets would seem full.
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

// Connection tracking forgets a session even where the sets did not take it, so no later search finds it. It is kept in
// unwritten_ and written with the next ones. There it takes no more room than in the sets.
Result<void> EndedSessions::remember(std::vector<EndedSession> sessions, const std::vector<Tuple>& flows) {
    std::ranges::move(std::exchange(unwritten_, {}), std::back_inserter(sessions)); // the older ones come last
    if (sessions.size() > nft::kMostEnded) {
        log::warn("the sets of ended sessions are full: {} sessions that ended may be taken up again",
                  sessions.size() - nft::kMostEnded);
        sessions.resize(nft::kMostEnded);
    }
    auto done = write_ended(sessions, flows);
    if (!done)
        unwritten_ = std::move(sessions);
    return done;
}

Result<void> EndedSessions::write_ended(std::span<const EndedSession> sessions, const std::vector<Tuple>& flows) {
    if (known_.size() + sessions.size() > nft::kMostEnded)
        if (auto done = read_back(); !done)
            return done;
    const auto older = oldest_beyond(nft::kMostEnded - sessions.size());
    nft::Transaction transaction;
    for (const EndedSession& session : older)
        nft::remove_ended(transaction, session);
    for (const EndedSession& session : sessions)
        nft::put_ended(transaction, session);
    for (const Tuple& flow : flows)
        nft::remove_flow(transaction, flow);
    if (auto done = sets_->commit(std::move(transaction)); !done)
        return std::move(done).error().within("writing the sets of ended sessions");
    for (const EndedSession& session : older)
        erase(session);
    const BootTime now = BootClock::now();
    for (const EndedSession& session : sessions)
        enter(session, now);
    return {};
}

// Returns the sessions that ended first: as many as must leave the sets so that at most `room` remain.
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
    write_sets(transaction);
    return sets_->commit(std::move(transaction));
}

void EndedSessions::write_sets(nft::Transaction& transaction) const {
    nft::clear_ended(transaction);
    for (const auto& [session, since] : known_)
        nft::put_ended(transaction, session);
}

void EndedSessions::lift_sessions(nft::Transaction& transaction,
                                  const std::function<bool(const EndedSession&)>& wanted) const {
    if (without_connection_ == 0)
        return;
    for (const auto& [session, since] : known_)
        if (!has_connection(session) && wanted(session))
            nft::remove_ended(transaction, session);
}

void EndedSessions::forget_lifted(const std::function<bool(const EndedSession&)>& wanted) {
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

Result<void> EndedSessions::lift_sessions(const std::function<bool(const EndedSession&)>& wanted) {
    nft::Transaction transaction;
    lift_sessions(transaction, wanted);
    if (auto done = sets_->commit(std::move(transaction)); !done)
        return done;
    forget_lifted(wanted);
    return {};
}

} // namespace xk
