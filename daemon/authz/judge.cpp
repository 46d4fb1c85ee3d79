// SPDX-License-Identifier: MIT
#include "daemon/authz/judge_context.h"
#include "daemon/authz/lockout.h"

#include <algorithm>

namespace xk::authz {

using namespace std::chrono_literals;

namespace {

Refused refuse(Reject reason) { return Refused{reason}; }

// The difference of two wall times may not fit microseconds, so it is taken in seconds.
std::chrono::seconds seconds_ahead(WallTime clock, WallTime ours) {
    using std::chrono::floor, std::chrono::seconds;
    return floor<seconds>(clock).time_since_epoch() - floor<seconds>(ours).time_since_epoch();
}

bool needs_service(Action action) { return action == Action::open || action == Action::close; }

} // namespace

// A record that crashed the worker is still in the ring for the next worker, so attempts are counted.
std::uint32_t Judge::begin_attempt(const Record& record) {
    wire::Tag bytes{};
    wire::Mac arrival;
    std::copy_n(record.bytes.begin(), std::min(record.bytes.size(), bytes.size()), bytes.begin());
    store_be<std::uint64_t>(arrival, static_cast<std::uint64_t>(record.arrived.time_since_epoch().count()));
    return state_.begin_attempt(bytes, arrival);
}

Outcome Judge::judge_record(const Record& record, const Now& now, Firewall& firewall) {
    Context c{record, now, now.wall_at(record.arrived)};
    const Wiped wiped(c.claim.evidence.proof);
    Outcome outcome;
    outcome.source = record.source;
    if (begin_attempt(record) > kMaxAttempts)
        outcome.result = refuse(Reject::crashed);
    else
        outcome.result = run(c, firewall);
    for (ReplayEntry* const entry : c.entries)
        if (entry != nullptr)
            entry->progress = c.progress;
    count(outcome.result);
    outcome.credential = c.index;
    outcome.way = mode_of(record.kind);
    if (c.is_proved)
        outcome.facts = facts_of(c);
    state_.end_attempt();
    return outcome;
}

Facts Judge::facts_of(const Context& c) {
    const Wanted& wanted = c.claim.wanted;
    Facts facts{.action = wanted.action,
                .address = c.address,
                .service = wanted.service,
                .endpoint = wanted.endpoint,
                .clock_ahead = {},
                .totp_step = totp_step_of(c.step)};
    if (c.claim.freshness.made && c.claim.freshness.is_clock)
        facts.clock_ahead = seconds_ahead(*c.claim.freshness.made, c.arrived);
    return facts;
}

Judge::Result Judge::run(Context& c, Firewall& firewall) {
    if (auto refused = prove(c))
        return *refused;
    if (auto result = check_new(c))
        return *result;
    if (auto refused = check_status(c))
        return *refused;
    if (auto refused = check_factor(c))
        return *refused;
    const Verdict rights = check_rights(c);
    const PendingUse use = use_of(c);
    if (auto result = admit(c, use, rights))
        return *result;
    Result result = grant(use, c.progress, c.now, firewall);
    if (auto* accepted = std::get_if<Accepted>(&result))
        for (const Target& target : rights.targets)
            accepted->what +=
                (accepted->what.empty() ? "" : ", ") + std::string(policy_.services[target.service].name.view());
    return result;
}

std::optional<Refused> Judge::prove(Context& c) const {
    // 1 to 3. The record by itself.
    if (c.now.boot - c.record.arrived > kLongestWait)
        return refuse(Reject::late);
    const auto method = std::ranges::find(methods_, c.record.kind, &Methods::value_type::first);
    if (method == methods_.end())
        return refuse(Reject::unsupported);
    // The filter knows no tag of theirs that could be left out while our clock is wrong.
    if (!clock_is_credible_ && (c.record.kind == RecordKind::capyknock || c.record.kind == RecordKind::fwknop))
        return refuse(Reject::server_clock);
    if (const auto unproved = method->second->prove_record(c.record, c.now, c.claim)) {
        c.index = unproved->credential;
        return refuse(unproved->reason);
    }
    const Wanted& wanted = c.claim.wanted;
    c.index = c.claim.credential;
    c.address = wanted.address_mode == AddressMode::source ? c.record.source : wanted.address;
    c.is_proved = true;
    return std::nullopt;
}

std::optional<Judge::Result> Judge::check_new(Context& c) {
    // 4. Skew, horizon, replay. The skew comes first, so that a wrong clock is the reported reason also right after a
    // boot.
    const auto& [made, tolerance, is_clock] = c.claim.freshness;
    if (made && *made < c.arrived - tolerance)
        return refuse(Reject::stale);
    if (made && *made > c.arrived + tolerance)
        return refuse(Reject::future);
    // The horizon is where it is because a client's clock may be ahead by the skew. Where a way of knocking lets it be
    // ahead by more, a knock of before the horizon may bear a time that is later by the difference.
    const auto beyond = is_clock ? std::max(tolerance - policy_.settings.skew, std::chrono::seconds(0)) : 0s;
    if (made && state_.refuses(*made, c.now, beyond))
        return refuse(Reject::horizon);

    // Knocks of such a slot are forgotten: a copy would be new. Where tags or steps are published that cannot be, but
    // packets of old clients need neither.
    if (made && c.claim.slot + kSlotsKept < state_.header().high_slot)
        return refuse(Reject::horizon);
    // A knock that proves no time must not raise the highest slot by our own clock, which may be wrong.
    if (!made)
        c.claim.slot = state_.header().high_slot;
    // A record that was being judged when the last worker ended continues where it was.
    const auto keys = c.claim.replay.all();
    const ReplayEntry* request = nullptr;
    for (std::size_t i = 0; i < keys.size(); ++i) {
        const auto found = state_.replay().find(keys[i], c.address);
        if (i == 0)
            request = found.request;
        if (found.packet == nullptr)
            continue;
        const Progress progress = found.packet->progress;
        if ((progress != Progress::judging && progress != Progress::asking) || found.packet->address != c.address) {
            c.entries = {}; // they are another record's
            Refused replay = refuse(Reject::replay);
            replay.is_copy = c.claim.has_copies && found.packet->address == c.address;
            return replay;
        }
        c.entries[i] = found.packet;
    }
    // A retry is not remembered: it does nothing, however often it comes. But one that names no address would be the
    // request for another family, if somebody sent a copy of it from there.
    const bool is_retry = request != nullptr && request->progress == Progress::done && request->address == c.address;
    const Accepted retry{.action = c.claim.wanted.action,
                         .retry = true,
                         .address = c.address,
                         .what = {},
                         .waiting = {},
                         .last_use = {}};
    if (is_retry && c.claim.wanted.address_mode != AddressMode::source)
        return retry;
    // From here on its copies are replays, also where it is refused. Otherwise somebody could send copies of a wrong
    // code to lock the user out.
    for (std::size_t i = 0; i < keys.size(); ++i)
        if (c.entries[i] == nullptr) {
            c.entries[i] = state_.replay().remember(keys[i], c.claim.slot, c.address, state_.header().high_slot);
            if (c.entries[i] == nullptr)
                return refuse(Reject::memory_full);
        }
    if (is_retry)
        return retry;
    if (request != nullptr && request->address != c.address)
        return refuse(Reject::request_reused);
    return std::nullopt;
}

std::optional<Refused> Judge::check_status(const Context& c) const {
    // 5. No panic; enabled; not locked; and all rights that do not depend on the factor.
    const CredentialState* record = records_[*c.index];
    if (in_panic_)
        return refuse(Reject::panic);
    const auto reason = may_hold(rights_context(c), kBeforeFactor).reason;
    if (reason == Reject::disabled || record == nullptr)
        return refuse(Reject::disabled);
    if (is_locked(*record, c.now.boot))
        return Refused{Reject::locked, locked_for(*record, c.now.boot), is_locked_for_good(*record)};
    return reason ? std::optional(refuse(*reason)) : std::nullopt;
}

std::optional<Refused> Judge::check_factor(Context& c) {
    // 6. The second factor. A wrong one counts before the next record is read.
    const Credential& credential = policy_.credentials[*c.index];
    CredentialState& record = *records_[*c.index];
    const Evidence& evidence = c.claim.evidence;
    const FactorVerdict verdict = verify_factor(credential, factors_[*c.index], evidence, c.arrived, record.code_step);
    c.step = verdict.step;
    if (!verdict.reason)
        return std::nullopt;
    if (*verdict.reason != Reject::wrong_code)
        return refuse(*verdict.reason);
    count_failure(record, credential.lockout, state_.fingerprint(evidence.proof), c.now.boot);
    return Refused{Reject::wrong_code, locked_for(record, c.now.boot), is_locked_for_good(record)};
}

Verdict Judge::check_rights(const Context& c) const {
    // 7. The address, then the service.
    const Wanted& wanted = c.claim.wanted;
    GrantContext context = rights_context(c);
    context.mode = wanted.address_mode;
    context.destination = c.record.destination;
    if (needs_service(wanted.action)) {
        context.selector = Selector{wanted.service, {c.address, wanted.target, wanted.endpoint}};
        context.single_use = wanted.single_use;
    }
    return may_hold(context, kAfterFactor);
}

std::optional<Judge::Result> Judge::admit(Context& c, const PendingUse& use, const Verdict& rights) {
    // 8. Packet, request and code are used up in one step; the code also where the policy refuses.
    if (pending_.find_use(use.token) != nullptr && rights.is_allowed()) {
        c.progress = Progress::waiting;
        return Pending{use.token, true};
    }
    const std::span<ReplayEntry* const> entries(c.entries.data(), c.claim.replay.all().size());
    const Admitted answer = admission_.consume_use({.token = use.token,
                                                    .address = c.address,
                                                    .record = records_[*c.index],
                                                    .step = c.step,
                                                    .request = rights.is_allowed(),
                                                    .entries = rights.is_allowed() ? entries : entries.first(0)});
    if (answer == Admitted::code_used || answer == Admitted::taken)
        return refuse(answer == Admitted::taken ? Reject::taken : Reject::code_used);
    if (answer == Admitted::granted)
        forgive(*c.index);
    if (!rights.is_allowed())
        return refuse(*rights.reason);
    if (answer == Admitted::granted)
        return std::nullopt;
    if (pending_.begin_use(use) == nullptr)
        return refuse(Reject::memory_full);
    c.progress = Progress::waiting;
    return Pending{use.token, false};
}

Judge::Result Judge::grant(const PendingUse& use, Progress& progress, const Now& now, Firewall& firewall) {
    // The knock counts as used before anything happens, so that nothing happens twice.
    const std::uint32_t index = use.request.credential;
    const BootTime arrived(std::chrono::nanoseconds(use.arrived));
    CredentialState& record = *records_[index];
    const std::optional<WallTime> last_use =
        record.last_accepted != 0 ? std::optional(WallTime(std::chrono::microseconds(record.last_accepted)))
                                  : std::nullopt;
    progress = Progress::done;
    state_.raise_high_slot(use.slot);
    record.last_accepted = now.wall_at(arrived).time_since_epoch().count();
    record.last_address = use.request.address;
    ++record.accepted;

    // 9. The privileged process judges again, and acts.
    Answer answer = Answer::done;
    if (use.action == Action::open)
        answer = firewall.open_grant(use.request);
    else if (use.action == Action::close)
        answer = firewall.close_grant(use.request);
    else if (use.action == Action::close_all)
        answer = firewall.close_all(index);
    Accepted accepted{.action = use.action,
                      .retry = false,
                      .address = use.request.address,
                      .what = {},
                      .waiting = {},
                      .last_use = last_use};
    // Until the grant is done, another packet of the request is judged and requests it again. If this process ends
    // before that, the next one requests the pinhole again.
    if (answer == Answer::waiting) {
        accepted.waiting = state_.keep({use.request, use.token.credential, use.token.request, use.arrived, 0});
        progress = Progress::waiting;
    } else if (answer != Answer::done) {
        return refuse(reject_of(answer));
    }
    return accepted;
}

} // namespace xk::authz
