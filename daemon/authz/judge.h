// SPDX-License-Identifier: MIT
//
// Judge: makes one outcome of one record. A Method finds out what the record proves. The steps that follow are the same
// for all methods and know no packet. They are the steps of docs/protocol.md, "The judgement", in the same order. The
// judge has state (authz::State) but no clock and no I/O of its own; it acts through the Firewall that it gets.
#pragma once

#include "daemon/authz/admission.h"
#include "daemon/authz/bans.h"
#include "daemon/authz/factor.h"
#include "daemon/authz/firewall.h"
#include "daemon/authz/handshakes.h"
#include "daemon/authz/method.h"
#include "daemon/authz/outcome.h"
#include "daemon/authz/pending.h"
#include "daemon/authz/policy.h"
#include "daemon/authz/policy_change.h"
#include "daemon/authz/reject.h"
#include "daemon/authz/rights.h"
#include "daemon/authz/state.h"
#include "protocol/keys.h"
#include "protocol/secret.h"

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

namespace xk::authz {

// A record that ended the worker this many times is refused.
inline constexpr std::uint32_t kMaxAttempts = 3;

class Judge {
  public:
    // `keys` and `factors` are by credential index. Makes the credentials' records in the state. A credential without a
    // record (all 65,536 are in use and none can be reused) is refused. `admission` outlives the judge; null:
    // LocalAdmission decides.
    Judge(Policy policy, Secret<CredentialKeys> keys, Secret<FactorSecret> factors, State& state, const BanList& bans,
          const Now& now, Admission* admission = nullptr);
    Judge(const Judge&) = delete; // its methods refer to its policy
    Judge& operator=(const Judge&) = delete;

    // Changes the configuration to judge by (judge_change.cpp). `keys`, `factors` and `legacy` are by index of
    // change.changed and are copied to their places. The work is that of the changed credentials; all others keep their
    // records and tags.
    void change_policy(PolicyChange change, std::span<const CredentialKeys> keys, std::span<const FactorSecret> factors,
                       const Now& now, const LegacySecrets& legacy = LegacySecrets());

    // Call it when a slot begins and when the clock was set. Derives the tags of the slots that count now.
    void follow_clock(const Now& now);

    Outcome judge_record(const Record& record, const Now& now, Firewall& firewall);

    // A hello of a handshake (RecordKind::hello; judge_hello.cpp). Each number counts once, whatever comes of it. The
    // result is the answer to send, or the refusal.
    std::variant<HelloAnswer, Outcome> judge_hello(const Record& record, const Now& now);
    // The numbers of hellos that the filter should know of: from this one on, kHelloWindow of them. Nothing where the
    // credential may not use handshakes, or there is no room for its numbers.
    std::optional<handshake::Number> next_hello(std::uint32_t place);
    // While our wall clock is not credible, packets of old clients are refused, and hellos of devices whose rights or
    // codes depend on it.
    void set_clock_credible(bool credible) { clock_is_credible_ = credible; }

    // Call it with the answer of an Admission that answered `later` before. Returns nothing if the use does not wait
    // any more: a second or late answer changes nothing. `later` is no answer.
    std::optional<Outcome> on_admitted(const UseToken& token, Admitted answer, const Now& now, Firewall& firewall);
    // Called with each outcome before the firewall gets the next request.
    using Each = std::function<void(const Outcome&)>;
    // Refuses the uses that had no answer in kLongestAdmission. Their requests may come again.
    void end_overdue(const Now& now, Firewall& firewall, const Each& each);
    // Asks the Admission again about the uses that an earlier process left waiting. Call it at the start, after
    // follow_clock().
    void resume_pending(const Now& now, Firewall& firewall, const Each& each);
    std::size_t pending() const { return pending_.size(); }

    // Requests a pinhole of State::asked() again, which an earlier process did not see open. If it neither opens nor
    // waits again, it is forgotten, and its request may come again.
    Answer request_again(std::uint32_t asked, const Now& now, Firewall& firewall);

    // The operator lifts a credential's lock and forgets its wrong codes.
    void unlock_credential(std::uint32_t credential);

    // During the operator's panic every knock is refused.
    void set_panic(bool on) { in_panic_ = on; }

    const Policy& policy() const { return policy_; }
    const Secret<CredentialKeys>& keys() const { return keys_; }
    const Secret<FactorSecret>& factors() const { return factors_; }

  private:
    struct Context;
    using Result = std::variant<Refused, Accepted, Pending>;

    std::optional<Refused> prove(Context& c) const;                                              // steps 1 to 3
    std::optional<Result> check_new(Context& c);                                                 // step 4
    std::optional<Refused> check_status(const Context& c) const;                                 // step 5
    std::optional<Refused> check_factor(Context& c);                                             // step 6
    Verdict check_rights(const Context& c) const;                                                // step 7
    std::optional<Result> admit(Context& c, const PendingUse& use, const Verdict& rights);       // step 8
    Result grant(const PendingUse& use, Progress& progress, const Now& now, Firewall& firewall); // step 9
    Result run(Context& c, Firewall& firewall);
    std::optional<Refused> answer_hello(Context& c, HelloAnswer& answer);
    std::uint32_t begin_attempt(const Record& record);
    void make_room(std::size_t places);
    void empty(std::uint32_t place);
    void follow_factors();

    static Facts facts_of(const Context& c);
    GrantContext rights_context(const Context& c) const;
    PendingUse use_of(const Context& c) const;
    std::optional<Reject> refuse_late(const PendingUse& use, const Now& now) const;
    Outcome conclude(const PendingUse& use, std::optional<Admitted> answer, const Now& now, Firewall& firewall);
    void forgive(std::uint32_t credential);
    void count(const Result& result);

    using Methods = std::vector<std::pair<RecordKind, std::unique_ptr<Method>>>;

    Policy policy_;
    Secret<CredentialKeys> keys_;
    Secret<FactorSecret> factors_;
    LegacySecrets legacy_; // by place; only change_policy() brings some
    State& state_;
    const BanList& bans_;
    bool in_panic_ = false;
    bool clock_is_credible_ = true;
    Handshakes handshakes_{policy_, keys_};
    Methods methods_;
    LocalAdmission local_;
    Admission& admission_;
    PendingUses pending_;
    std::vector<CredentialState*> records_; // by place; null where the place is empty or there was no room
};

} // namespace xk::authz
