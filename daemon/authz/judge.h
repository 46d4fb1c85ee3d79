// SPDX-License-Identifier: MIT
//
// The judge: one record in, one outcome out. A Method says what the record proves; the steps behind are the same for
// all of them and know no packet. They are those of docs/protocol.md, "The judgement", in their order, and each only
// goes forward. The judge has state (authz::State) but no clock and no I/O of its own; what it decides it does through
// the Firewall that it is handed.
#pragma once

#include "daemon/authz/admission.h"
#include "daemon/authz/bans.h"
#include "daemon/authz/factor.h"
#include "daemon/authz/firewall.h"
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

// A record whose judging ended the worker this often is thrown away.
inline constexpr std::uint32_t kMaxAttempts = 3;

class Judge {
  public:
    // One judge for one configuration; keys and factors by credential index. Makes the credentials' records in
    // the state; a credential without one (65,536 are known, and no record can be given back) is never let in.
    // `admission` outlives the judge; null: a use is admitted by this host's own memory.
    Judge(Policy policy, Secret<CredentialKeys> keys, Secret<FactorSecret> factors, State& state, const BanList& bans,
          const Now& now, Admission* admission = nullptr);
    Judge(const Judge&) = delete; // its methods refer to its policy
    Judge& operator=(const Judge&) = delete;

    // Judges by another configuration from now on. `keys` and `factors` are by index of change.changed and are moved to
    // their places; the work is that of the changed credentials alone, and all others keep records and tags
    // (judge_change.cpp).
    void change(PolicyChange change, std::span<const CredentialKeys> keys, std::span<const FactorSecret> factors,
                const Now& now);

    // To be called when a slot begins and when the clock was set: tags of the slots that matter.
    void follow_clock(const Now& now);

    Outcome judge(const Record& record, const Now& now, Firewall& firewall);

    // The Admission's answer to a use that it put off. Nothing where that does not wait any more; an answer that comes
    // twice or too late changes nothing. `later` is no answer.
    std::optional<Outcome> on_admitted(const UseToken& token, Admitted answer, const Now& now, Firewall& firewall);
    // Called with each outcome as soon as it is there, before the firewall is asked for the next.
    using Each = std::function<void(const Outcome&)>;
    // Refuses the uses that nobody answered in kLongestAdmission; their requests may come again.
    void end_overdue(const Now& now, Firewall& firewall, const Each& each);
    // Asks the Admission once more about the uses that a process before us left waiting. To be called once, after
    // follow_clock().
    void resume(const Now& now, Firewall& firewall, const Each& each);
    std::size_t pending() const { return pending_.size(); }

    // Asks once more for a pinhole that State::asked() has and that a process before us did not see open. Where it
    // neither opens nor waits again, it is forgotten, and the request may come again.
    Answer ask_again(std::uint32_t asked, const Now& now, Firewall& firewall);

    // The operator forgives a credential's wrong codes.
    void unlock(std::uint32_t credential);

    // The operator's panic: while it lasts nobody is let in.
    void set_panic(bool on) { in_panic_ = on; }

    const Policy& policy() const { return policy_; }
    const Secret<CredentialKeys>& keys() const { return keys_; }

  private:
    struct Context;
    using Result = std::variant<Refused, Accepted, Pending>;

    std::optional<Refused> prove(Context& c) const;                                              // steps 1 to 3
    std::optional<Result> check_new(Context& c);                                                 // step 4
    std::optional<Refused> check_status(const Context& c) const;                                 // step 5
    std::optional<Refused> check_factor(Context& c);                                             // step 6
    Verdict check_rights(const Context& c) const;                                                // step 7
    std::optional<Result> admit(Context& c, const Verdict& rights);                              // step 8
    Result grant(const PendingUse& use, Progress& progress, const Now& now, Firewall& firewall); // step 9
    Result run(Context& c, Firewall& firewall);
    void make_room(std::size_t places);
    void empty(std::uint32_t place);

    GrantContext rights_context(const Context& c) const;
    PendingUse use_of(const Context& c) const;
    Outcome conclude(const PendingUse& use, std::optional<Admitted> answer, const Now& now, Firewall& firewall);
    void forgive(std::uint32_t credential);
    void count(const Result& result);

    using Methods = std::vector<std::pair<RecordKind, std::unique_ptr<Method>>>;

    Policy policy_;
    Secret<CredentialKeys> keys_;
    Secret<FactorSecret> factors_;
    State& state_;
    const BanList& bans_;
    bool in_panic_ = false;
    Methods methods_;
    LocalAdmission local_;
    Admission& admission_;
    PendingUses pending_;
    std::vector<CredentialState*> records_; // by place; null: none, or an empty place
};

} // namespace xk::authz
