// SPDX-License-Identifier: MIT
#include "daemon/authz/judge.h"

#include "daemon/authz/lockout.h"
#include "daemon/authz/rights.h"

#include <algorithm>

namespace xk::authz {

// One candidate on its way through the steps; each step adds what the next ones need.
struct Judge::Context {
    const Candidate& candidate;
    const Now& now;
    WallTime arrived; // wall time of the packet's arrival: a knock that waited is not stale for it
    wire::Tag tag;
    wire::Mac mac;
    std::uint32_t index = 0;
    Slot slot = 0;
    RequestBytes bytes{};
    Request request{};
    Address address{};                    // to open for
    ReplayEntry* entry = nullptr;         // once it is remembered,
    Progress progress = Progress::judged; // and what becomes of it
    std::string what{};
};

namespace {

Refused refuse(Reject reason) { return Refused{reason}; }

Reject reject_of(Answer answer) {
    switch (answer) {
    case Answer::banned:
        return Reject::banned;
    case Answer::own_address:
        return Reject::own_address;
    case Answer::limit:
        return Reject::limit;
    case Answer::failed:
        return Reject::firewall;
    case Answer::panic:
        return Reject::panic;
    case Answer::refused:
    case Answer::done:
    case Answer::waiting:
        break;
    }
    return Reject::refused;
}

bool needs_service(Action action) { return action == Action::open || action == Action::close; }

} // namespace

Judge::Judge(Policy policy, Secret<CredentialKeys> keys, Secret<FactorSecret> factors, State& state,
             const BanList& bans, const Now& now)
    : policy_(std::move(policy)), keys_(std::move(keys)), factors_(std::move(factors)), state_(state), bans_(bans) {
    std::vector<wire::CredentialId> in_use;
    for (const Credential& c : policy_.credentials)
        in_use.push_back(c.id);
    state_.give_back(in_use, now);
    for (const wire::CredentialId& id : in_use)
        records_.push_back(state_.credential(id));
}

void Judge::follow_clock(const Now& now) {
    const auto skew = policy_.settings.skew;
    tags_.cover({good_slots(now.wall - kLongestWait, skew).first, good_slots(now.wall, skew).last + 1},
                {keys_.data(), keys_.size()});
}

void Judge::unlock(std::uint32_t credential) {
    if (CredentialState* record = records_[credential])
        forget_failures(*record);
}

Outcome Judge::judge(const Candidate& candidate, const Now& now, Firewall& firewall) {
    Context c{candidate, now, now.wall_at(candidate.arrived), packet_tag(candidate.packet),
              packet_mac(candidate.packet)};
    Outcome outcome;
    outcome.source = candidate.source;
    // A record whose judging ended the worker is still in the ring when the worker is back.
    if (state_.begin_attempt(c.tag, c.mac) > kMaxAttempts)
        outcome.result = refuse(Reject::crashed);
    else
        outcome.result = run(c, firewall);
    wipe(c.bytes);
    wipe(c.request.proof);

    if (c.entry != nullptr)
        c.entry->progress = c.progress;
    if (const Refused* refused = outcome.refused())
        ++state_.header().rejects[static_cast<std::size_t>(refused->reason)];
    else if (outcome.accepted()->retry)
        ++state_.header().retries;
    else
        ++state_.header().accepted[static_cast<std::size_t>(outcome.accepted()->action)];
    if (c.slot != 0)
        outcome.credential = c.index;
    state_.end_attempt();
    return outcome;
}

Judge::Result Judge::run(Context& c, Firewall& firewall) {
    if (auto refused = authenticate(c))
        return *refused;
    if (auto result = check_new(c))
        return *result;
    if (auto refused = check_status(c))
        return *refused;
    if (auto refused = check_factor(c))
        return *refused;
    if (auto refused = check_rights(c))
        return *refused;
    return carry_out(c, firewall);
}

std::optional<Refused> Judge::authenticate(Context& c) const {
    // 1. The maps of the filter are not trusted: tag and MAC are checked with our own keys.
    if (c.now.boot - c.candidate.arrived > kLongestWait)
        return refuse(Reject::late);
    const auto match = tags_.find(c.tag);
    const SlotRange good = good_slots(c.arrived, policy_.settings.skew);
    if (!match || match->slot < good.first || match->slot > good.last)
        return refuse(Reject::tag);
    GateKeys gate = gate_keys(keys_[match->credential].gate, match->slot);
    const Wiped wiped(gate);
    if (!mac_matches(gate.mac_key, c.candidate.packet))
        return refuse(Reject::mac);
    c.index = match->credential;
    c.slot = match->slot;

    // 2. The box.
    auto opened = open(keys_[c.index].seal, c.slot, c.candidate.packet);
    if (!opened)
        return refuse(Reject::box);
    c.bytes = *opened;
    wipe(*opened);

    // 3. The strict decoder.
    auto decoded = decode(c.bytes);
    if (const auto* fault = std::get_if<RequestFault>(&decoded))
        return refuse(authz::reject_of(*fault));
    c.request = std::get<Request>(decoded);
    c.address = c.request.address_mode == AddressMode::source ? c.candidate.source : c.request.address;
    return std::nullopt;
}

std::optional<Judge::Result> Judge::check_new(Context& c) {
    // 4. Skew, horizon, replay. A clock that is wrong is told as that, also right after a boot.
    const auto skew = policy_.settings.skew;
    if (c.request.clock < c.arrived - skew)
        return refuse(Reject::stale);
    if (c.request.clock > c.arrived + skew)
        return refuse(Reject::future);
    if (state_.refuses(c.request.clock, c.now))
        return refuse(Reject::horizon);

    // A packet in whose judgement the worker ended goes on where it was.
    const KnockId knock{policy_.credentials[c.index].id, c.request.id, c.mac};
    const auto [packet, request] = state_.replay().find(knock);
    if (packet != nullptr) {
        const bool is_ours = packet->progress == Progress::judging || packet->progress == Progress::asking;
        if (!is_ours || packet->address != c.address)
            return refuse(Reject::replay);
        c.entry = packet;
    }
    // A retry is not remembered: it does nothing, however often it comes.
    if (request != nullptr && request->progress == Progress::done && request->address == c.address) {
        Accepted retry;
        retry.action = c.request.action;
        retry.retry = true;
        retry.address = c.address;
        return retry;
    }
    // From here on its copies are replays, whatever becomes of it; else copies of a wrong code could be
    // used to lock the user out.
    if (c.entry == nullptr)
        c.entry = state_.replay().remember(knock, c.slot, c.address, state_.header().high_slot);
    if (c.entry == nullptr)
        return refuse(Reject::memory_full);
    if (request != nullptr && request->address != c.address)
        return refuse(Reject::request_reused);
    return std::nullopt;
}

std::optional<Refused> Judge::check_status(Context& c) const {
    // 5. No panic; enabled, not locked, in its dates and hours; nobody banned.
    const Credential& credential = policy_.credentials[c.index];
    const CredentialState* record = records_[c.index];
    if (in_panic_)
        return refuse(Reject::panic);
    const auto bar = barred(credential, c.arrived);
    if (bar == Reject::disabled || record == nullptr)
        return refuse(Reject::disabled);
    if (is_locked(*record, c.now.boot))
        return Refused{Reject::locked, locked_for(*record, c.now.boot), is_locked_for_good(*record)};
    if (bar)
        return refuse(*bar);
    if (credential.networks.count != 0 && !credential.networks.has(c.candidate.source))
        return refuse(Reject::network);
    if (bans_.is_banned(c.candidate.source, c.now.boot) || bans_.is_banned(c.address, c.now.boot))
        return refuse(Reject::banned);
    return std::nullopt;
}

std::optional<Refused> Judge::check_factor(Context& c) {
    // 6. The second factor.
    const Credential& credential = policy_.credentials[c.index];
    CredentialState& record = *records_[c.index];
    const FactorSecret& secret = factors_[c.index];
    if (c.request.factor != credential.factor)
        return refuse(Reject::factor_kind);
    const auto wrong = [&] {
        count_failure(record, credential.lockout, state_.fingerprint(c.request.proof), c.now.boot);
        return Refused{Reject::wrong_code, locked_for(record, c.now.boot), is_locked_for_good(record)};
    };

    switch (credential.factor) {
    case FactorKind::none:
        if (!all_zero(c.request.proof))
            return refuse(Reject::proof_form);
        return std::nullopt;
    case FactorKind::hmac: {
        Bytes<32> key;
        const Wiped wiped(key);
        std::copy_n(secret.bytes, key.size(), key.begin());
        if (!hmac_matches(key, policy_.settings.server, c.tag, packet_nonce(c.candidate.packet), c.bytes,
                          c.request.proof))
            return wrong();
        forget_failures(record);
        return std::nullopt;
    }
    case FactorKind::totp: {
        if (!is_totp_proof(c.request.proof, credential.totp_digits))
            return refuse(Reject::proof_form);
        const auto step = match_totp({secret.bytes, secret.size}, credential.totp_digits, c.arrived, c.request.proof);
        if (!step)
            return wrong();
        // Once only: above the last step that was used, or that very one for the very same request.
        const std::uint64_t used = *step + 1;
        const bool same = used == record.totp_step && record.request == c.request.id && record.address == c.address;
        if (used <= record.totp_step && !same)
            return refuse(Reject::code_used);
        record.request = c.request.id;
        record.address = c.address;
        record.totp_step = used;
        forget_failures(record);
        return std::nullopt;
    }
    case FactorKind::ed25519:
    case FactorKind::sk_ed25519:
        break;
    }
    return refuse(Reject::factor_kind);
}

std::optional<Refused> Judge::check_rights(Context& c) const {
    // 7. The address, then the service. A code is used up even where this refuses.
    const Credential& credential = policy_.credentials[c.index];
    const AddressMode mode = c.request.address_mode;
    if (mode == AddressMode::source && credential.binding == Binding::match)
        return refuse(Reject::binding);
    if (mode == AddressMode::bound && c.request.address != c.candidate.source)
        return refuse(Reject::source);
    if (mode == AddressMode::delegated && credential.binding != Binding::explicit_)
        return refuse(Reject::delegation);
    if (!c.address.is_grantable() || c.address == c.candidate.destination)
        return refuse(Reject::own_address);
    const NetworkList& others = credential.explicit_networks;
    if (c.address != c.candidate.source && others.count != 0 && !others.has(c.address))
        return refuse(Reject::delegation);
    if (!needs_service(c.request.action))
        return std::nullopt;
    const Wish wish{c.request.service, {c.address, c.request.target, c.request.endpoint}};
    const auto targets = find_targets(policy_, credential, wish);
    if (targets.empty())
        return refuse(Reject::service);
    for (const Target& target : targets) {
        const Service& service = policy_.services[target.service];
        if (c.request.single_use && !service.can_be_single())
            return refuse(Reject::unsupported);
        c.what += (c.what.empty() ? "" : ", ") + std::string(service.name.view());
    }
    return std::nullopt;
}

Judge::Result Judge::carry_out(Context& c, Firewall& firewall) {
    // 8. Used, before anything happens, so that nothing can happen twice.
    const Credential& credential = policy_.credentials[c.index];
    CredentialState& record = *records_[c.index];
    c.entry->progress = Progress::asking;
    c.progress = Progress::done;
    state_.raise_high_slot(c.slot);
    record.last_accepted = c.arrived.time_since_epoch().count();
    record.last_address = c.address;
    ++record.accepted;

    // 9. The privileged process decides once more, and does it.
    const Request& r = c.request;
    GrantRequest pinhole{c.index, c.address, r.service, r.target, r.endpoint, r.single_use, r.lifetime};
    Answer answer = Answer::done;
    if (c.request.action == Action::open)
        answer = firewall.open(pinhole);
    else if (c.request.action == Action::close)
        answer = firewall.close(pinhole);
    else if (c.request.action == Action::close_all)
        answer = firewall.close_all(c.index);
    Accepted accepted;
    // Until it is done the request may come again, and is done again; and where this process ends meanwhile, the next
    // one asks again by itself.
    if (answer == Answer::waiting) {
        accepted.waiting =
            state_.keep({pinhole, credential.id, c.request.id, c.candidate.arrived.time_since_epoch().count(), 0});
        c.progress = Progress::waiting;
    }
    if (answer != Answer::done && answer != Answer::waiting)
        return refuse(reject_of(answer));
    accepted.action = c.request.action;
    accepted.address = c.address;
    accepted.what = c.what;
    return accepted;
}

Answer Judge::ask_again(std::uint32_t asked, const Now& now, Firewall& firewall) {
    const Asked& a = state_.asked(asked);
    const auto index = policy_.find_credential(a.credential);
    const BootTime arrived(std::chrono::nanoseconds(a.arrived));
    Answer answer = Answer::refused;
    if (index && arrived <= now.boot && now.boot - arrived <= kLongestWait) {
        GrantRequest pinhole = a.request;
        pinhole.credential = static_cast<std::uint32_t>(*index);
        answer = firewall.open(pinhole);
    }
    if (answer != Answer::waiting)
        state_.end_asked(asked, answer == Answer::done);
    return answer;
}

} // namespace xk::authz
