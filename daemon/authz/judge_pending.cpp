// SPDX-License-Identifier: MIT
// The parts of the judge outside the nine steps: construction, the clock, and uses that wait for their admission.
#include "daemon/authz/judge_context.h"
#include "daemon/authz/lockout.h"
#include "daemon/authz/tags.h"

namespace xk::authz {

Judge::Judge(Policy policy, Secret<CredentialKeys> keys, Secret<FactorSecret> factors, State& state,
             const BanList& bans, const Now& now, Admission* admission)
    : policy_(std::move(policy)), keys_(std::move(keys)), factors_(std::move(factors)), state_(state), bans_(bans),
      admission_(admission != nullptr ? *admission : local_), pending_(state.pending()) {
    for (const MethodRow& row : method_table())
        methods_.emplace_back(row.kind, row.make({policy_, keys_, factors_, legacy_, handshakes_}));
    std::vector<wire::CredentialId> in_use;
    for (const Credential& c : policy_.credentials)
        in_use.push_back(c.id);
    state_.give_back(in_use, now);
    for (const wire::CredentialId& id : in_use)
        records_.push_back(state_.credential(id));
    follow_factors();
}

// A counter is above every TOTP step and would refuse every code, where a credential had factor hotp before.
void Judge::follow_factors() {
    for (std::size_t place = 0; place < records_.size(); ++place)
        if (records_[place] != nullptr && policy_.credentials[place].factor == FactorKind::totp &&
            is_hotp_step(records_[place]->code_step))
            records_[place]->code_step = 0;
}

void Judge::follow_clock(const Now& now) {
    for (const auto& [kind, method] : methods_)
        method->follow_clock(now);
}

void Judge::unlock_credential(std::uint32_t credential) {
    if (CredentialState* record = records_[credential])
        forget_failures(*record);
}

// A right factor clears the wrong ones before it. A knock without a factor proves nothing here.
void Judge::forgive(std::uint32_t credential) {
    if (policy_.credentials[credential].factor != FactorKind::none)
        forget_failures(*records_[credential]);
}

void Judge::count(const Result& result) {
    StateHeader& header = state_.header();
    if (const auto* refused = std::get_if<Refused>(&result)) {
        ++header.rejects[static_cast<std::size_t>(refused->reason)];
    } else if (const auto* pending = std::get_if<Pending>(&result)) {
        header.retries += pending->joined ? 1 : 0;
    } else if (const auto& accepted = std::get<Accepted>(result); accepted.retry) {
        ++header.retries;
    } else {
        ++header.accepted[static_cast<std::size_t>(accepted.action)];
    }
}

GrantContext Judge::rights_context(const Context& c) const {
    return {.policy = policy_,
            .credential = policy_.credentials[*c.index],
            .when = {c.arrived, c.now.boot},
            .address = c.address,
            .source = c.record.source,
            .way = mode_of(c.record.kind),
            .bans = &bans_};
}

// The use as the table of pending uses remembers it.
PendingUse Judge::use_of(const Context& c) const {
    const Wanted& wanted = c.claim.wanted;
    return {.token = {policy_.credentials[*c.index].id, c.claim.replay.first().request},
            .request = {*c.index, c.address, wanted.service, wanted.target, wanted.endpoint, wanted.single_use,
                        wanted.lifetime},
            .action = wanted.action,
            .slot = c.claim.slot,
            .arrived = c.record.arrived.time_since_epoch().count(),
            .begun = c.now.boot.time_since_epoch().count(),
            .code = c.step ? *c.step + 1 : 0,
            .live = 0};
}

std::optional<Outcome> Judge::on_admitted(const UseToken& token, Admitted answer, const Now& now, Firewall& firewall) {
    const PendingUse* const use = pending_.find_use(token);
    if (use == nullptr || answer == Admitted::later)
        return std::nullopt;
    return conclude(PendingUse(*use), answer, now, firewall);
}

// Returns why a use that is granted late is refused after all: its credential may have changed while it waited. The
// privileged process checks whether the user still has the service.
std::optional<Reject> Judge::refuse_late(const PendingUse& use, const Now& now) const {
    const auto index = policy_.find_credential(use.token.credential);
    if (!index || records_[*index] == nullptr)
        return Reject::disabled;
    if (in_panic_)
        return Reject::panic;
    const Now when{now.wall_at(BootTime(std::chrono::nanoseconds(use.arrived))), now.boot};
    // The wall clock was set back, or the file is damaged. No later knock would be accepted after such a slot.
    if (use.slot > good_slots(when.wall, policy_.settings.skew).last)
        return Reject::future;
    return may_hold({.policy = policy_,
                     .credential = policy_.credentials[*index],
                     .when = when,
                     .address = use.request.address,
                     .bans = &bans_},
                    kBeforeFactor)
        .reason;
}

// Ends the waiting of a use. If it is not granted, its entries stay `waiting`: copies of the packet are replays, and
// another packet of the request is judged again.
Outcome Judge::conclude(const PendingUse& pending, std::optional<Admitted> answer, const Now& now, Firewall& firewall) {
    PendingUse use = pending;
    Outcome outcome;
    outcome.source = use.request.address;
    outcome.facts = Facts{.action = use.action,
                          .address = use.request.address,
                          .service = use.request.service,
                          .endpoint = use.request.endpoint,
                          .clock_ahead = {},
                          .totp_step = totp_step_of(use.code != 0 ? std::optional(use.code - 1) : std::nullopt)};
    if (const auto index = policy_.find_credential(use.token.credential))
        use.request.credential = outcome.credential.emplace(static_cast<std::uint32_t>(*index));
    if (!answer) {
        outcome.result = Refused{Reject::unanswered};
    } else if (*answer != Admitted::granted) {
        outcome.result = Refused{*answer == Admitted::taken ? Reject::taken : Reject::code_used};
    } else if (const auto reason = refuse_late(use, now)) {
        outcome.result = Refused{*reason};
    } else {
        // A lock that began while the use waited comes from later wrong codes. This earlier code does not clear it.
        if (!is_locked(*records_[*outcome.credential], now.boot))
            forgive(*outcome.credential);
        Progress progress = Progress::waiting;
        outcome.result = grant(use, progress, now, firewall);
        if (progress == Progress::done)
            state_.replay().finish(use.token.credential, use.token.request, use.request.address);
    }
    pending_.end_use(use.token);
    count(outcome.result);
    return outcome;
}

void Judge::end_overdue(const Now& now, Firewall& firewall, const Each& each) {
    for (const UseToken& token : pending_.overdue(now.boot))
        each(conclude(PendingUse(*pending_.find_use(token)), std::nullopt, now, firewall));
}

void Judge::resume_pending(const Now& now, Firewall& firewall, const Each& each) {
    end_overdue(now, firewall, each);
    for (const UseToken& token : pending_.waiting()) {
        const PendingUse use = *pending_.find_use(token);
        const auto index = policy_.find_credential(token.credential);
        CredentialState* const record = index ? records_[*index] : nullptr;
        Admitted answer = Admitted::granted; // without effect: conclude() finds no credential
        if (record != nullptr)
            answer = admission_.consume_use({.token = token,
                                             .address = use.request.address,
                                             .record = record,
                                             .step = use.code != 0 ? std::optional(use.code - 1) : std::nullopt,
                                             .request = true,
                                             .again = true,
                                             .entries = {}});
        if (answer != Admitted::later)
            each(conclude(use, answer, now, firewall));
    }
}

Answer Judge::request_again(std::uint32_t asked, const Now& now, Firewall& firewall) {
    const Asked& a = state_.asked(asked);
    const auto index = policy_.find_credential(a.credential);
    const BootTime arrived(std::chrono::nanoseconds(a.arrived));
    Answer answer = Answer::refused;
    if (index && arrived <= now.boot && now.boot - arrived <= kLongestWait) {
        GrantRequest pinhole = a.request;
        pinhole.credential = static_cast<std::uint32_t>(*index);
        answer = firewall.open_grant(pinhole);
    }
    if (answer != Answer::waiting)
        state_.end_asked(asked, answer == Answer::done);
    return answer;
}

} // namespace xk::authz
