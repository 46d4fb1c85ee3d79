// SPDX-License-Identifier: MIT
#include "daemon/events/from_worker.h"

#include <utility>

namespace xk::events {
namespace {

using authz::Event, authz::EventKind, authz::Reject;
using privsep::OutcomeKind;

// A request's clock is below 2^62 us (protocol/request.cpp); a lock is a day at most, and a step is 30 seconds.
constexpr std::int64_t kMostSeconds = (std::int64_t{1} << 62) / 1'000'000 * 2;
constexpr std::int64_t kMostLocked = 100 * 365 * 86400ll;

bool has_good_flags(const privsep::Outcome& m) {
    return m.way <= authz::kKnockModes && m.pad == 0 && m.known <= 1 && m.was_read <= 1 && m.retry <= 1 &&
           m.has_clock <= m.was_read && (m.has_clock == 1 || m.clock_ahead == 0) &&
           (m.known == 1 || m.credential == wire::CredentialId{});
}

// A request that was read has all of its facts. One that was not read has none.
bool has_good_facts(const privsep::Outcome& m) {
    if (m.was_read == 0)
        return m.action == 0 && m.address == Bytes<16>{} && m.service == 0 && m.port == 0 && m.protocol == 0 &&
               m.totp_step == -1;
    return m.action >= static_cast<std::uint8_t>(Action::open) &&
           m.action <= static_cast<std::uint8_t>(Action::probe) && m.clock_ahead >= -kMostSeconds &&
           m.clock_ahead <= kMostSeconds && is_known(static_cast<IpProtocol>(m.protocol)) && m.totp_step >= -1 &&
           m.totp_step <= kMostSeconds;
}

bool has_good_outcome(const privsep::Outcome& m) {
    switch (static_cast<OutcomeKind>(m.kind)) {
    case OutcomeKind::accepted:
        return m.known == 1 && m.was_read == 1 && m.reject == 0 && m.locked_for == 0 && m.last_use >= 0 &&
               (m.retry == 0 || m.last_use == 0);
    case OutcomeKind::refused: {
        const auto reason = static_cast<Reject>(m.reject);
        const bool may_lock = m.known == 1 && (reason == Reject::wrong_code || reason == Reject::locked);
        return m.retry == 0 && m.last_use == 0 && m.reject < authz::kRejects && m.locked_for >= -1 &&
               m.locked_for <= kMostLocked && (may_lock || m.locked_for == 0);
    }
    }
    return false;
}

void put_credential(Event& event, const authz::Credential* credential) {
    if (credential == nullptr)
        return;
    event.user = credential->user.view();
    event.device = credential->device.view();
}

void put_facts(Event& event, const privsep::Outcome& m, const authz::Policy& policy) {
    event.action = static_cast<Action>(m.action);
    event.address = Address{m.address};
    if (m.has_clock == 1)
        event.clock_ahead = std::chrono::seconds(m.clock_ahead);
    if (m.totp_step >= 0)
        event.totp_step = static_cast<std::uint64_t>(m.totp_step);
    if (m.port != 0)
        event.pinholes = Endpoint{static_cast<IpProtocol>(m.protocol), m.port}.text();
    if (m.service == service_id(kAllServices))
        event.service = kAllServices;
    for (const authz::Service& service : policy.services)
        if (m.service != 0 && service.id == m.service)
            event.service = service.name.view();
}

Event lock_of(const Event& refused, std::chrono::seconds time) {
    Event lock;
    lock.kind = EventKind::locked;
    lock.at = refused.at;
    lock.user = refused.user;
    lock.device = refused.device;
    lock.source = refused.source;
    lock.lifetime = time;
    return lock;
}

bool is_of_legacy_client(authz::KnockMode way) {
    return way == authz::KnockMode::capyknock || way == authz::KnockMode::fwknop;
}

// The operator may switch the old clients off when nobody uses them any more.
Event legacy_use_of(const Event& accepted, std::int64_t last_use) {
    Event use;
    use.kind = EventKind::legacy_client;
    use.at = accepted.at;
    use.user = accepted.user;
    use.device = accepted.device;
    use.source = accepted.source;
    use.way = accepted.way;
    if (last_use != 0)
        use.last_use = WallTime(std::chrono::microseconds(last_use));
    return use;
}

} // namespace

std::optional<std::vector<Event>> events_of(const privsep::Outcome& m, const authz::Policy& policy, const Now& now) {
    if (!has_good_flags(m) || !has_good_facts(m) || !has_good_outcome(m))
        return std::nullopt;
    Event event;
    event.at = now;
    event.source = Address{m.source};
    if (m.known == 1)
        if (const auto index = policy.find_credential(m.credential))
            put_credential(event, &policy.credentials[*index]);
    if (m.was_read == 1)
        put_facts(event, m, policy);
    if (m.way != 0)
        event.way = static_cast<authz::KnockMode>(m.way - 1);
    if (static_cast<OutcomeKind>(m.kind) == OutcomeKind::accepted) {
        event.kind = EventKind::knock_accepted;
        event.retry = m.retry == 1;
        std::vector events{event};
        if (!event.retry && event.way && is_of_legacy_client(*event.way))
            events.push_back(legacy_use_of(event, m.last_use));
        return events;
    }
    event.kind = EventKind::knock_refused;
    event.reject = static_cast<Reject>(m.reject);
    event.for_good = m.locked_for == -1;
    event.lifetime = std::chrono::seconds(event.for_good ? 0 : m.locked_for);
    std::vector events{event};
    // A lock for good comes as a Notice, because no budget limits notices.
    if (event.reject == Reject::wrong_code && m.locked_for > 0)
        events.push_back(lock_of(event, event.lifetime));
    return events;
}

std::optional<std::vector<Event>> events_of(const privsep::Suppressed& m, const Now& now) {
    if (m.pad != 0 || (m.refused == 0 && m.accepted == 0))
        return std::nullopt;
    std::vector<Event> events;
    for (const auto& [kind, count] :
         {std::pair{EventKind::refusals_suppressed, m.refused}, std::pair{EventKind::knocks_suppressed, m.accepted}}) {
        if (count == 0)
            continue;
        Event& event = events.emplace_back();
        event.kind = kind;
        event.at = now;
        event.count = count;
    }
    return events;
}

Event event_of(privsep::NoticeKind kind, const authz::Credential* credential, const Now& now) {
    Event event;
    event.at = now;
    switch (kind) {
    case privsep::NoticeKind::clock_wrong:
        event.kind = EventKind::clock_wrong;
        break;
    case privsep::NoticeKind::clock_right:
        event.kind = EventKind::clock_right;
        break;
    case privsep::NoticeKind::locked_for_good:
        event.kind = EventKind::locked;
        put_credential(event, credential);
        break;
    }
    return event;
}

} // namespace xk::events
